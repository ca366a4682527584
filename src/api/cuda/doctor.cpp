#include "api/doctor.h"

#include "api/doctor_checks.h"

namespace espalier {

std::vector<Check> check_cuda_kernels(int ordinal) {
  const std::string card = " on cuda:" + std::to_string(ordinal);
  std::vector<Check> all = DoctorChecks<Cuda, float>(ordinal, "float32" + card).run();
  for (Check& c : DoctorChecks<Cuda, half>(ordinal, "float16" + card).run()) all.push_back(std::move(c));
  return all;
}

}  // namespace espalier
