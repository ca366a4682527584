#include "hub/catalogue.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <string_view>

namespace espalier::hub {

namespace {

constexpr const char* kImageLarge = "microsoft/TRELLIS-image-large";
constexpr const char* kClip = "openai/clip-vit-large-patch14";

Part image_large() {
  return {
      .source = Source::hub,
      .repository = kImageLarge,
      .revision = "25e0d31ffbebe4b5a97464dd851910efc3002d96",
      .files = {
          {"README.md", 464},
          {"pipeline.json", 1987, "2686b6c9b3b0a100b544d5f9dc7b3ecb15c9d98be9852d68e8731bd8dbe52a42"},
          {"ckpts/ss_flow_img_dit_L_16l8_fp16.json", 385, "bf69161da7ece9a87394dd4441f0cfa6d4261696a214a8f68388c81fa9a6b5b7"},
          {"ckpts/ss_flow_img_dit_L_16l8_fp16.safetensors", 1130770840,
           "96dc6bfd4136fd950af564dd16b4ae533c9ba6af8f26c670646b2a9f2789b1db"},
          {"ckpts/slat_flow_img_dit_L_64l8p2_fp16.json", 442,
           "c0a9bd57227f55cf75ff02562c27bb05c50174f06955f56a79dea2982fd7a8f9"},
          {"ckpts/slat_flow_img_dit_L_64l8p2_fp16.safetensors", 1203755136,
           "693fb2a58ad497bd222007301eeec49d14d60f8c12d2f2f00c221fa747b4c66c"},
          {"ckpts/ss_dec_conv3d_16l8_fp16.json", 245, "646781293f1cda74720de85d1cef50a957fb4aebd9a4bd014e454e32f2330ac5"},
          {"ckpts/ss_dec_conv3d_16l8_fp16.safetensors", 147591972,
           "1c76d4a40519aa2d711cc263a8404105231ac26db31d946bed48b84fee79009a"},
          {"ckpts/ss_enc_conv3d_16l8_fp16.json", 244, "12efe92a0d7dcd790f251acb94a6950957ea4398268e2838ef7319c3f20b071e"},
          {"ckpts/ss_enc_conv3d_16l8_fp16.safetensors", 119068016,
           "107874eeaa0feb82f51b19db5da7db534fb7e7f19e5a122b9ff1bc2e258bfc6d"},
          {"ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16.json", 372,
           "293900795cb69cc972d1a20a4940ee12f7e007952c2ae92d128dda91b96ac317"},
          {"ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16.safetensors", 181903412,
           "3e87aba94b5786407eb06d0502c1ed0885a0027a3f2b8537bfe15b0a92c01859"},
          {"ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16.json", 843,
           "ebe9d3eade6d9cb7662efae109197e97d7ab58aebd5e8ede0c8991dfce88a06a"},
          {"ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16.safetensors", 171450952,
           "38c84bcef5ce0af1f48b1b5558dabc7575a13346043c41a7e0610f1fa619a161"},
          {"ckpts/slat_dec_rf_swin8_B_64l8r16_fp16.json", 396,
           "9b46a04602988b9cd83f1d0537de1cb93c4c1b6d35a0bbbcb07bb37bac66b766"},
          {"ckpts/slat_dec_rf_swin8_B_64l8r16_fp16.safetensors", 171450488,
           "737da6578d01948016b7c39786113af0d64a46f7922f6b8b5e698b84643be514"},
          {"ckpts/slat_enc_swin8_B_64l8_fp16.json", 321, "7b7e2bd3e831bdd5a6129cea36424a47ad73c1b9ad109d1de54e0f14af4d28a2"},
          {"ckpts/slat_enc_swin8_B_64l8_fp16.safetensors", 173242816,
           "21dceac6bee917ab6458ff52c9757ba89a779d03031c7bd17f9e7f0103bfd436"},
      }};
}

// What text checkpoints take from TRELLIS-image-large.
Part shared_decoders() {
  Part part = image_large();
  std::erase_if(part.files, [](const KnownFile& f) { return f.path.find("_dec_") == std::string::npos; });
  return part;
}

Part clip() {
  return {.source = Source::hub,
          .repository = kClip,
          .revision = "32bd64288804d66eefd0ccbe215aa642df71cc41",
          .files = {{"config.json", 4519},
                    {"model.safetensors", 1710540580, "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"},
                    {"tokenizer.json", 2224003},
                    {"vocab.json", 0},
                    {"merges.txt", 0},
                    {"tokenizer_config.json", 0},
                    {"special_tokens_map.json", 0}}};
}

Part dinov2_large() {
  return {.source = Source::torch,
          .url = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_reg4_pretrain.pth",
          .files = {{"dinov2_vitl14_reg4_pretrain.pth", 1217607321,
                     "36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51"}}};
}

Model text(const std::string& size, const std::string& letters, const std::string& revision, std::uint64_t structure,
           std::uint64_t latent) {
  const std::string first = "ckpts/ss_flow_txt_dit_" + letters + "_16l8_fp16";
  const std::string second = "ckpts/slat_flow_txt_dit_" + letters + "_64l8p2_fp16";
  Part own{.source = Source::hub,
           .repository = "microsoft/TRELLIS-text-" + size,
           .revision = revision,
           .files = {{"pipeline.json", 0},
                     {first + ".json", 0},
                     {first + ".safetensors", structure},
                     {second + ".json", 0},
                     {second + ".safetensors", latent}}};
  return {"trellis-text-" + size, "text to 3D, " + size, "MIT", {own, shared_decoders(), clip()}};
}

Model network(const std::string& name, const std::string& summary, const std::string& licence, KnownFile file) {
  Part part{.source = Source::rembg,
            .url = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/" + file.path,
            .files = {std::move(file)}};
  return {name, summary, licence, {part}};
}

std::vector<Model> make_catalogue() {
  Part birefnet{
      .source = Source::hub,
      .repository = "ZhengPeng7/BiRefNet",
      .revision = "e2bf8e4460fc8fa32bba5ea4d94b3233d367b0e4",
      .files = {{"config.json", 0},
                {"model.safetensors", 444473596, "9ab37426bf4de0567af6b5d21b16151357149139362e6e8992021b8ce356a154"}}};
  return {
      {"trellis-image-large", "images to 3D", "MIT; DINOv2 Apache-2.0", {image_large(), dinov2_large()}},
      text("base", "B", "f8e8cf00c40d53dea26b718e49169ce83cf24c67", 327736456, 372419896),
      text("large", "L", "4aad9f4a110329a410974d7f41ce5333a9a1fc87", 1105604976, 1178589272),
      text("xlarge", "XL", "e0b00432b8e3a8ecee0df806ab1df9f7281f2be4", 1976327512, 2151142688),
      network("isnet", "background removal (IS-Net)", "Apache-2.0",
              {"isnet-general-use.onnx", 178648008, "60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a"}),
      network("u2net", "background removal (U2-Net)", "Apache-2.0",
              {"u2net.onnx", 175997641, "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491"}),
      {"birefnet", "background removal (BiRefNet), not used by this version yet", "MIT", {birefnet}},
      {"dinov2", "image encoder of the image checkpoints", "Apache-2.0", {dinov2_large()}},
      {"clip", "text encoder of the text checkpoints", "MIT", {clip()}},
  };
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_word(std::string_view text, std::string_view more) {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || more.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::uint64_t Part::bytes() const {
  return std::accumulate(files.begin(), files.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const KnownFile& f) { return sum + f.bytes; });
}

std::uint64_t Model::bytes() const {
  return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const Part& p) { return sum + p.bytes(); });
}

const std::vector<Model>& catalogue() {
  static const std::vector<Model> all = make_catalogue();
  return all;
}

const Model* find_known(const std::string& name) {
  struct Alias {
    const char *given, *name;
  };
  constexpr std::array aliases{Alias{"isnet-general-use", "isnet"}, Alias{"birefnet-general", "birefnet"},
                               Alias{"dinov2_vitl14_reg", "dinov2"}};
  std::string wanted = lower(current_repository(name));
  for (const Alias& alias : aliases) {
    if (wanted == alias.given) wanted = alias.name;
  }
  for (const Model& model : catalogue()) {
    if (wanted == model.name || (!model.parts.front().repository.empty() && wanted == lower(model.parts.front().repository)))
      return &model;
  }
  return nullptr;
}

std::string current_repository(const std::string& repository) {
  constexpr std::string_view old = "JeffreyXiang/TRELLIS";
  if (lower(repository).starts_with(lower(std::string(old)))) return "microsoft/TRELLIS" + repository.substr(old.size());
  return repository;
}

std::vector<std::string> spellings_of(const std::string& repository) {
  const std::string current = current_repository(repository);
  constexpr std::string_view moved = "microsoft/TRELLIS";
  if (!current.starts_with(moved)) return {current};
  return {current, "JeffreyXiang/TRELLIS" + current.substr(moved.size())};
}

std::optional<Part> known_repository(const std::string& repository) {
  const std::string current = current_repository(repository);
  if (current == kImageLarge) return image_large();
  if (current == kClip) return clip();
  return std::nullopt;
}

std::string image_encoder_file(const std::string& name) {
  if (!name.starts_with("dinov2_vit") || !is_word(name, "_")) return {};
  return name + (name.ends_with("_reg") ? "4_pretrain.pth" : "_pretrain.pth");
}

std::optional<Part> image_encoder_part(const std::string& name) {
  if (name == "dinov2_vitl14_reg") return dinov2_large();
  return std::nullopt;
}

std::optional<RepositoryName> parse_repository(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto at = text.find('@', slash);
  RepositoryName name{text.substr(0, at), at == std::string::npos ? "" : text.substr(at + 1)};
  const bool well_formed =
      is_word(name.repository.substr(0, slash), "._-") && is_word(name.repository.substr(slash + 1), "._-");
  if (!well_formed || (at != std::string::npos && !is_word(name.revision, "._-/"))) return std::nullopt;
  if (name.revision.find("..") != std::string::npos) return std::nullopt;
  return name;
}

}  // namespace espalier::hub
