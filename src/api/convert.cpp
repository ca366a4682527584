// Files of weights from one format to another.
#include "base/error.h"
#include "espalier/diagnostics.h"
#include "weights/safetensors.h"
#include "weights/weight_file.h"

namespace espalier {

ConvertedWeights convert_weights(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (to.extension() != ".safetensors") {
    fail(ErrorCode::invalid_argument, "cannot write weights to ", to.string(), ": the name must end with .safetensors");
  }
  const auto source = open_weights(from);
  ConvertedWeights done;
  for (const auto& [name, entry] : source->entries()) {
    ++done.tensors;
    done.parameters += checked_size(entry.extents);
  }
  done.sha256 = write_safetensors(to, *source);
  done.bytes = std::filesystem::file_size(to);
  return done;
}

}  // namespace espalier
