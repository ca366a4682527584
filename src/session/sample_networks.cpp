#include "session/sample_networks.h"

#include <vector>

namespace espalier {
namespace {

using nlohmann::json;

struct Sizes {
  int channels, blocks, heads, condition, io_channels, decoder_channels, decoder_blocks, decoder_heads;
  std::vector<int> volume;
  int encoder_channels, encoder_blocks, encoder_heads, gaussians;
};

Sizes sizes_of(SampleSize size) {
  if (size == SampleSize::large) return {1024, 24, 16, 1024, 128, 768, 12, 12, {512, 128, 32}, 1024, 24, 16, 32};
  return {64, 2, 2, 64, 32, 256, 2, 4, {32, 16, 8}, 64, 2, 2, 8};
}

json flow(const Sizes& s) {
  return {{"in_channels", 8},
          {"out_channels", 8},
          {"model_channels", s.channels},
          {"cond_channels", s.condition},
          {"num_blocks", s.blocks},
          {"num_heads", s.heads},
          {"mlp_ratio", 4},
          {"qk_rms_norm", true}};
}

json decoder(const Sizes& s) {
  return {{"resolution", 64},
          {"model_channels", s.decoder_channels},
          {"latent_channels", 8},
          {"num_blocks", s.decoder_blocks},
          {"num_heads", s.decoder_heads},
          {"attn_mode", "swin"},
          {"window_size", 8}};
}

}  // namespace

json sample_image_encoder(SampleSize size) {
  const Sizes s = sizes_of(size);
  return {{"embed_dim", s.encoder_channels}, {"depth", s.encoder_blocks}, {"num_heads", s.encoder_heads},
          {"num_register_tokens", 4},        {"init_values", 1.0},        {"interpolate_antialias", true}};
}

json sample_structure_flow(SampleSize size) {
  json out = flow(sizes_of(size));
  out.update({{"resolution", 16}, {"patch_size", 1}});
  return out;
}

json sample_structure_decoder(SampleSize size) {
  return {{"out_channels", 1},
          {"latent_channels", 8},
          {"num_res_blocks", 2},
          {"num_res_blocks_middle", 2},
          {"channels", sizes_of(size).volume}};
}

json sample_latent_flow(SampleSize size) {
  const Sizes s = sizes_of(size);
  json out = flow(s);
  out.update({{"resolution", 64}, {"patch_size", 2}, {"num_io_res_blocks", 2}, {"io_block_channels", {s.io_channels}}});
  return out;
}

json sample_gaussian_decoder(SampleSize size) {
  const Sizes s = sizes_of(size);
  json out = decoder(s);
  out["representation_config"] = {
      {"lr", {{"_xyz", 1.0}, {"_features_dc", 1.0}, {"_opacity", 1.0}, {"_scaling", 1.0}, {"_rotation", 0.1}}},
      {"voxel_size", 1.5},
      {"num_gaussians", s.gaussians},
      {"3d_filter_kernel_size", 0.0009},
      {"scaling_bias", 0.004},
      {"opacity_bias", 0.1},
      {"scaling_activation", "softplus"}};
  return out;
}

json sample_mesh_decoder(SampleSize size) {
  json out = decoder(sizes_of(size));
  out["representation_config"] = {{"use_color", true}};
  return out;
}

}  // namespace espalier
