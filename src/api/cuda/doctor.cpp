#include "api/doctor.h"

#include "api/doctor_checks.h"
#include "api/doctor_quantised_checks.h"
#include "api/doctor_result_checks.h"
#include "api/doctor_shape_checks.h"

namespace espalier {

std::vector<Check> check_cuda_kernels(int ordinal) {
  const std::string gpu = " on cuda:" + std::to_string(ordinal);
  std::vector<Check> all = DoctorChecks<Cuda, float>(ordinal, "float32" + gpu).run();
  for (Check& c : DoctorShapeChecks<Cuda, float>(ordinal, "float32" + gpu).run()) all.push_back(std::move(c));
  for (Check& c : DoctorChecks<Cuda, half>(ordinal, "float16" + gpu).run()) all.push_back(std::move(c));
  for (Check& c : DoctorShapeChecks<Cuda, half>(ordinal, "float16" + gpu).run()) all.push_back(std::move(c));
  for (Check& c : DoctorQuantisedChecks<Cuda, half>(ordinal, "float16" + gpu).run()) all.push_back(std::move(c));
  for (Check& c : DoctorResultChecks<Cuda>(ordinal, "float32" + gpu).run()) all.push_back(std::move(c));
  return all;
}

}  // namespace espalier
