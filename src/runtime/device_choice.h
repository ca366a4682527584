// Devices by the names that users give them.
#pragma once

#include <string>

namespace espalier {

// A device that exists: the CPU, or one GPU.
struct DeviceChoice {
  bool cuda = false;
  int ordinal = 0;            // of the GPU
  std::string passed_over{};  // a GPU that auto cannot use, and why, where it can use none
  // device: auto, cpu, cuda or cuda:N. auto takes the first GPU that this build has code for, else the CPU. Throws
  // invalid_argument for other names, unsupported or device with advice where a GPU was asked for and cannot be used.
  [[nodiscard]] static DeviceChoice named(const std::string& device);
  // For reports: "cpu (16 cores)", "cuda:0 (NVIDIA H100 80GB HBM3)".
  [[nodiscard]] std::string in_words() const;
};

}  // namespace espalier
