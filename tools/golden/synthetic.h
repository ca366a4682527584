// Checkpoints of the published sizes with synthetic weights, in the published layout: for measuring, where the trained ones are
// not at hand. The weights follow the rule of weights/synthetic.h.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::golden {

[[nodiscard]] std::vector<std::string> synthetic_names();  // "image-large", "text-base", ...

// "image-large": writes OUT/TRELLIS-image-large, image encoder included. Others: OUT/TRELLIS-NAME (pipeline.json and its two
// flows), and what it refers to as neighbours: OUT/TRELLIS-image-large with the decoders and OUT/clip-vit-large-patch14 with
// CLIP's text tower. Files that exist are left as they are. `configurations`: the folder with the published ckpts/*.json of
// TRELLIS-image-large. Throws not_found for another name.
void write_synthetic(const std::string& name, const std::filesystem::path& configurations, const std::filesystem::path& out);

}  // namespace espalier::golden
