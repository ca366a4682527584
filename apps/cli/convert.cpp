// convert: weights as a safetensors file, in 8 bits if need be.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "espalier/diagnostics.h"
#include "paths.h"
#include "text.h"

namespace espalier::cli {

int convert(const Settings& settings) {
  if (settings.weights_in.empty() || settings.weights_out.empty()) {
    throw UsageError("convert takes two files: espalier convert [--int8] IN OUT.safetensors");
  }
  const auto& from = settings.weights_in;
  const auto& to = settings.weights_out;
  if (extension(to) != ".safetensors") throw UsageError(to.string() + ": the file to write must end with .safetensors");
  check_readable(from, "file of weights");
  check_writable(to);
  const ConvertedWeights done = convert_weights(from, to, settings.int8);
  if (settings.json) {
    const nlohmann::ordered_json report{{"file", to.string()},           {"tensors", done.tensors},
                                        {"parameters", done.parameters}, {"quantised", done.quantised},
                                        {"bytes", done.bytes},           {"sha256", done.sha256}};
    std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    const std::string quantised = settings.int8 ? ", " + thousands(done.quantised) + " matrices in 8 bits" : std::string();
    std::printf("%s: %s tensors, %s parameters%s, %s\nsha256 %s\n", to.c_str(), thousands(done.tensors).c_str(),
                thousands(done.parameters).c_str(), quantised.c_str(), byte_count(done.bytes).c_str(), done.sha256.c_str());
  }
  return 0;
}

}  // namespace espalier::cli
