#include "api/doctor.h"

#include "api/doctor_checks.h"

namespace espalier {

std::vector<Check> check_cpu_kernels() { return DoctorChecks<Cpu, float>(0, "float32 on the CPU").run(); }

}  // namespace espalier
