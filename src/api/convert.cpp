// Files of weights from one format to another.
#include "base/error.h"
#include "espalier/diagnostics.h"
#include "weights/quantise.h"
#include "weights/safetensors.h"
#include "weights/weight_file.h"

namespace espalier {

ConvertedWeights convert_weights(const std::filesystem::path& from, const std::filesystem::path& to, bool int8) {
  if (to.extension() != ".safetensors") {
    fail(ErrorCode::invalid_argument, "cannot write weights to ", to.string(), ": the name must end with .safetensors");
  }
  const auto file = open_weights(from);
  const auto quantised = int8 ? quantised_to_int8(*file) : nullptr;
  const TensorSource* const source = int8 ? quantised.get() : file.get();
  ConvertedWeights done;
  for (const auto& [name, entry] : source->entries()) {
    ++done.tensors;
    if (!holds_scales(*source, name)) done.parameters += checked_size(entry.extents);
    if (entry.dtype == DType::i8) ++done.quantised;
  }
  done.sha256 = write_safetensors(to, *source);
  done.bytes = std::filesystem::file_size(to);
  return done;
}

}  // namespace espalier
