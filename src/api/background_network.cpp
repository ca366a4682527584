#include "models/matting/background_network.h"

#include <array>
#include <string_view>

#include "base/error.h"
#include "espalier/espalier.h"
#include "espalier/images.h"

namespace espalier {

std::uint64_t background_network_memory(const std::filesystem::path& network) { return background_network_bytes(network); }

std::filesystem::path find_background_network(const std::string& name, const std::vector<std::filesystem::path>& folders) {
  struct Known {
    std::string_view name, file;
  };
  constexpr std::array<Known, 3> kKnown{Known{"isnet", "isnet-general-use.onnx"}, Known{"u2net", "u2net.onnx"},
                                        Known{"u2netp", "u2netp.onnx"}};
  bool known = name == "auto";
  for (const Known& network : kKnown) {
    if (name != "auto" && name != network.name) continue;
    known = true;
    for (const std::filesystem::path& folder : folders) {
      std::error_code ignored;
      if (std::filesystem::path file = folder / network.file; std::filesystem::is_regular_file(file, ignored)) return file;
    }
  }
  if (!known) {
    fail(ErrorCode::invalid_argument, "no network for backgrounds is called ", name, hint("isnet, u2net and u2netp are known"));
  }
  return {};
}

}  // namespace espalier
