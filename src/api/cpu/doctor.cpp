#include "api/doctor.h"

#include "api/doctor_checks.h"
#include "api/doctor_quantised_checks.h"
#include "api/doctor_result_checks.h"
#include "api/doctor_shape_checks.h"

namespace espalier {

std::vector<Check> check_cpu_kernels() {
  const std::string type = "float32 on the CPU";
  std::vector<Check> all = DoctorChecks<Cpu, float>(0, type).run();
  for (Check& check : DoctorShapeChecks<Cpu, float>(0, type).run()) all.push_back(std::move(check));
  for (Check& check : DoctorQuantisedChecks<Cpu, float>(0, type).run()) all.push_back(std::move(check));
  for (Check& check : DoctorResultChecks<Cpu>(0, type).run()) all.push_back(std::move(check));
  return all;
}

}  // namespace espalier
