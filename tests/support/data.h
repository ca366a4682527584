// Reference data under tests/data.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace espalier::test {

inline std::filesystem::path data_path(const std::string& name) { return std::filesystem::path(ESPALIER_TEST_DATA) / name; }

inline nlohmann::json json_data(const std::string& name) {
  std::ifstream file(data_path(name));
  if (!file) throw std::runtime_error("cannot open " + data_path(name).string());
  return nlohmann::json::parse(file);
}

}  // namespace espalier::test
