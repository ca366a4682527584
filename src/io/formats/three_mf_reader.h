// 3MF files: printable solids with colours and textures.
#pragma once

#include <optional>
#include <string>

#include "io/formats/zip_reader.h"

namespace espalier::reader {

// The part of the package that holds the model; nothing when the archive is something else.
[[nodiscard]] std::optional<std::string> three_mf_model(const ZipArchive& archive, const Source& source);
[[nodiscard]] MeshFile read_3mf(const ZipArchive& archive, const std::string& model, const Source& source);

}  // namespace espalier::reader
