// Roles that networks of TRELLIS have in a checkpoint: keys of `models` in pipeline.json, and of Checkpoint::modules.
#pragma once

namespace espalier {

inline constexpr const char* kImageEncoder = "image_cond_model";
inline constexpr const char* kTextEncoder = "text_cond_model";
inline constexpr const char* kStructureFlow = "sparse_structure_flow_model";
inline constexpr const char* kStructureDecoder = "sparse_structure_decoder";
inline constexpr const char* kLatentFlow = "slat_flow_model";
inline constexpr const char* kGaussianDecoder = "slat_decoder_gs";
inline constexpr const char* kMeshDecoder = "slat_decoder_mesh";
inline constexpr const char* kRadianceFieldDecoder = "slat_decoder_rf";

}  // namespace espalier
