// Reference data of the tests, and files of the project: where they were when the tests were built, or where ESPALIER_TEST_DATA
// and ESPALIER_TEST_PROJECT say, for tests that run on another machine.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace espalier::test {

inline std::filesystem::path data_path(const std::string& name) {
  const char* const moved = std::getenv("ESPALIER_TEST_DATA");
  return std::filesystem::path(moved != nullptr ? moved : ESPALIER_TEST_DATA) / name;
}

inline std::filesystem::path project_path(const std::string& name) {
  const char* const moved = std::getenv("ESPALIER_TEST_PROJECT");
  return std::filesystem::path(moved != nullptr ? moved : ESPALIER_TEST_PROJECT) / name;
}

inline nlohmann::json json_data(const std::string& name) {
  std::ifstream file(data_path(name));
  if (!file) throw std::runtime_error("cannot open " + data_path(name).string());
  return nlohmann::json::parse(file);
}

}  // namespace espalier::test
