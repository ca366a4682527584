#include "options.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "commands.h"

namespace espalier::cli {
namespace {

// ---- Values from text

[[noreturn]] void refuse(const std::string& text, const char* relation, const std::string& range) {
  throw UsageError("\"" + text + "\" is " + relation + range);
}

// The whole of `text` as a number, or nothing.
template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

template <class T>
std::string in_words(T value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

template <class T>
T parse_in_range(const std::string& text, T low, T high, const std::string& range) {
  const auto value = parse<T>(text);
  if (!value || !(*value >= low && *value <= high)) refuse(text, "not ", range);
  return *value;
}

// A number from `low` to `high` for what `field` selects in the settings.
template <class T, class Field>
Value number(const char* name, T low, T high, Field field) {
  const std::string kind = std::is_integral_v<T> ? "a whole number from " : "a number from ";
  const std::string range = kind + in_words(low) + " to " + in_words(high);
  return {.name = name, .range = range, .set = [=](Settings& s, const std::string& text) {
            field(s) = parse_in_range<T>(text, low, high, range);
          }};
}

Value interval(const char* name, std::optional<std::array<double, 2>> SamplerRequest::*field, SamplerRequest Settings::*stage) {
  const std::string range = "two numbers from 0 to 1, low and high, such as 0.5,1";
  return {.name = name, .range = range, .set = [=](Settings& s, const std::string& text) {
            const auto comma = text.find(',');
            if (comma == std::string::npos) refuse(text, "not ", range);
            const double low = parse_in_range(text.substr(0, comma), 0.0, 1.0, range);
            const double high = parse_in_range(text.substr(comma + 1), low, 1.0, range);
            s.*stage.*field = std::array{low, high};
          }};
}

template <class T>
struct Choice {
  const char* name;
  T value;
};

// One of some words, for what `field` selects in the settings.
template <class Field, class U, std::size_t N>
Value choice(Field field, const std::array<Choice<U>, N>& choices) {
  std::string range;
  for (const auto& c : choices) range += (range.empty() ? "" : ", ") + std::string(c.name);
  return {.name = "NAME", .range = range, .set = [=](Settings& s, const std::string& text) {
            const auto found = std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return text == c.name; });
            if (found == choices.end()) refuse(text, "none of ", range);
            std::invoke(field, s) = found->value;
          }};
}

template <class Field>
Value path(const char* name, Field field) {
  return {.name = name, .range = "", .set = [=](Settings& s, const std::string& text) {
            if (text.empty()) throw UsageError("the name is empty");
            std::invoke(field, s) = text;
          }};
}

Value names(const char* name, std::vector<std::string> Settings::*field) {
  return {.name = name,
          .range = "",
          .set =
              [=](Settings& s, const std::string& text) {
                if (text.empty()) throw UsageError("the name is empty");
                (s.*field).push_back(text);
              },
          .repeats = true};
}

Value paths(const char* name, std::vector<std::filesystem::path> Settings::*field) {
  return {.name = name,
          .range = "",
          .set =
              [=](Settings& s, const std::string& text) {
                if (text.empty()) throw UsageError("the name is empty");
                (s.*field).emplace_back(text);
              },
          .repeats = true};
}

template <class Field>
Value flag(Field field) {
  return {.name = "", .range = "", .set = [=](Settings& s, const std::string&) { std::invoke(field, s) = true; }};
}

Value device() {
  const std::string range = "auto, cpu, cuda or cuda:N";
  return {.name = "NAME", .range = range, .set = [=](Settings& s, const std::string& text) {
            const std::string prefix = "cuda:";
            const bool numbered = text.starts_with(prefix) && parse<unsigned short>(text.substr(prefix.size())).has_value();
            if (text != "auto" && text != "cpu" && text != "cuda" && !numbered) {
              refuse(text, "none of ", range);
            }
            s.device = text;
          }};
}

Value formats() {
  const std::string range = "mesh, gaussian, radiance_field, separated by commas";
  return {.name = "LIST", .range = range, .set = [=](Settings& s, const std::string& text) {
            std::istringstream words(text);
            Formats wanted;
            for (std::string word; std::getline(words, word, ',');) {
              if (word == "mesh") {
                wanted.mesh = true;
              } else if (word == "gaussian") {
                wanted.gaussians = true;
              } else if (word == "radiance_field") {
                wanted.radiance_field = true;
              } else {
                refuse(word, "none of ", range);
              }
            }
            if (!wanted.any()) throw UsageError("the list is empty; name some of " + range);
            s.formats = wanted;
          }};
}

Value length() {
  const std::string range = "0.1mm to 10000mm, in mm or cm";
  return {.name = "LENGTH", .range = range, .set = [=](Settings& s, const std::string& text) {
            std::string digits = text;
            double unit = 1.0;
            if (digits.ends_with("mm")) {
              digits.resize(digits.size() - 2);
            } else if (digits.ends_with("cm")) {
              digits.resize(digits.size() - 2);
              unit = 10.0;
            }
            s.save.size_mm = unit * parse_in_range(digits, 0.1 / unit, 10000.0 / unit, range);
          }};
}

Value viewpoint() {
  const std::string range = "two numbers, yaw and pitch in degrees, such as 150,20; the pitch from -90 to 90";
  return {.name = "YAW,PITCH",
          .range = range,
          .set =
              [=](Settings& s, const std::string& text) {
                const auto comma = text.find(',');
                if (comma == std::string::npos) refuse(text, "not ", range);
                const double yaw = parse_in_range(text.substr(0, comma), -3600.0, 3600.0, range);
                s.views.push_back({yaw, parse_in_range(text.substr(comma + 1), -90.0, 90.0, range)});
              },
          .repeats = true};
}

Value background() {
  const std::string range = "transparent, black, white, or a colour such as #20a0ff";
  return {.name = "COLOUR", .range = range, .set = [=](Settings& s, const std::string& text) {
            if (text == "transparent") {
              s.look.background.reset();
              return;
            }
            const std::string digits = text == "black" ? "#000000" : text == "white" ? "#ffffff" : text;
            unsigned rgb = 0;
            const char* const end = digits.data() + digits.size();
            if (digits.size() != 7 || digits.front() != '#') refuse(text, "not ", range);
            const auto [stop, error] = std::from_chars(digits.data() + 1, end, rgb, 16);
            if (error != std::errc() || stop != end) refuse(text, "not ", range);
            const auto part = [&](unsigned shift) { return (rgb >> shift & 0xFFU) / 255.0; };
            s.look.background = std::array{part(16), part(8), part(0)};
          }};
}

// ---- The table

constexpr std::array precisions{Choice<Precision>{"auto", Precision::automatic}, Choice<Precision>{"full", Precision::full},
                                Choice<Precision>{"half", Precision::half}};
constexpr std::array tiers{Choice<MemoryTier>{"auto", MemoryTier::automatic}, Choice<MemoryTier>{"high", MemoryTier::high},
                           Choice<MemoryTier>{"medium", MemoryTier::medium}, Choice<MemoryTier>{"low", MemoryTier::low}};
constexpr std::array presets{Choice<SamplerPreset>{"checkpoint", SamplerPreset::checkpoint},
                             Choice<SamplerPreset>{"app", SamplerPreset::app}};
constexpr std::array multi_image_modes{Choice<MultiImageMode>{"stochastic", MultiImageMode::stochastic},
                                       Choice<MultiImageMode>{"multidiffusion", MultiImageMode::multidiffusion}};

constexpr std::array backgrounds{Choice<Background>{"automatic", Background::automatic},
                                 Choice<Background>{"alpha", Background::alpha}, Choice<Background>{"none", Background::none}};
constexpr std::array bake_modes{Choice<BakeMode>{"fast", BakeMode::fast}, Choice<BakeMode>{"best", BakeMode::best}};
constexpr std::array bake_sources{Choice<bool>{"gaussians", false}, Choice<bool>{"radiance-field", true}};
constexpr std::array texture_formats{Choice<TextureFormat>{"png", TextureFormat::png},
                                     Choice<TextureFormat>{"jpeg", TextureFormat::jpeg},
                                     Choice<TextureFormat>{"webp", TextureFormat::webp}};

constexpr std::array render_styles{Choice<RenderStyle>{"auto", RenderStyle::automatic},
                                   Choice<RenderStyle>{"textured", RenderStyle::textured},
                                   Choice<RenderStyle>{"colour", RenderStyle::colour},
                                   Choice<RenderStyle>{"clay", RenderStyle::clay},
                                   Choice<RenderStyle>{"normals", RenderStyle::normals},
                                   Choice<RenderStyle>{"wireframe", RenderStyle::wireframe},
                                   Choice<RenderStyle>{"uv-checker", RenderStyle::uv_checker},
                                   Choice<RenderStyle>{"splats", RenderStyle::splats},
                                   Choice<RenderStyle>{"radiance-field", RenderStyle::radiance_field}};

constexpr std::array voxel_sets{Choice<const char*>{"12k", "12k"}, Choice<const char*>{"24k", "24k"}};

constexpr const char* files_group = "Files";
constexpr const char* finish_group = "Mesh and texture";
constexpr const char* picture_group = "Pictures";
constexpr const char* sampling_group = "Sampling";
constexpr const char* machine_group = "Checkpoint and machine";
constexpr const char* server_group = "Server";
constexpr const char* report_group = "Reports";
constexpr const char* weights_group = "Weights";
constexpr const char* of_the_preset = "the preset's";

std::vector<Option> file_options() {
  return {
      {"IMAGE", files_group, generate_bit | preprocess_bit, "", "",
       "Pictures (PNG, JPEG, WebP) of one object; several are views of the same one.", paths("FILE", &Settings::images)},
      {"FILE", files_group, export_bit, "", "", "What --save-asset or --save-latent wrote, or Gaussians (.ply, .spz, .splat).",
       paths("FILE", &Settings::inputs)},
      {"FILE", files_group, render_bit, "", "",
       "What --save-asset wrote, a mesh (.glb, .gltf, .obj, .stl, .ply) or Gaussians (.ply, .spz, .splat).",
       paths("FILE", &Settings::inputs)},
      {"FILE", files_group, check_bit, "", "",
       "Meshes (.glb, .gltf, .obj, .stl, .ply), Gaussians (.ply, .spz, .splat) and what --save-asset wrote.",
       paths("FILE", &Settings::inputs)},
      {"IN", files_group, convert_bit, "", "", "Weights as torch.save wrote them (.pth, .pt, .bin), or a safetensors file.",
       path("FILE", &Settings::weights_in)},
      {"OUT", files_group, convert_bit, "", "", "The file to write (.safetensors).", path("FILE", &Settings::weights_out)},
      {"-o,--output", files_group, generate_bit | export_bit | preprocess_bit, "", "",
       "A file to write; repeat it for several. .glb, .gltf, .gltf.zip, .obj, .obj.zip, .3mf, .stl and .mesh.ply hold the "
       "mesh, .ply, "
       ".spz "
       "and .splat the Gaussians. preprocess: .png.",
       paths("FILE", &Settings::outputs)},
      {"-o,--output", files_group, render_bit, "", "",
       "A file to draw; repeat it for several. .png: the views that --view asks for, side by side. .mp4 and .webp: a turntable "
       "that begins at the first of them; an .mp4 needs the program ffmpeg.",
       paths("FILE", &Settings::outputs)},
      {"--formats", files_group, generate_bit | export_bit, "ESPALIER_FORMATS", "what the output files hold", "What to decode.",
       formats()},
      {"--preview", files_group, generate_bit | export_bit, "", "", "Also draw four views into this .png.",
       path("FILE", &Settings::preview)},
      {"--turntable", files_group, generate_bit | export_bit | render_bit, "", "",
       "Also draw the asset as it turns once around, into this .mp4 (needs the program ffmpeg) or .webp.",
       path("FILE", &Settings::turntable)},
      {"--sheet", files_group, generate_bit | export_bit | render_bit, "", "",
       "Also draw four views in every style that there is something to show in, into this .png.",
       path("FILE", &Settings::sheet)},
      {"--size", files_group, generate_bit | export_bit, "ESPALIER_SIZE", "100mm", "Largest dimension of an .stl or .3mf.",
       length()},
      {"--save-latent", files_group, generate_bit, "", "", "Also write what was sampled, for --from-latent (.safetensors).",
       path("FILE", &Settings::save_latent)},
      {"--save-asset", files_group, generate_bit | export_bit, "", "",
       "Also write everything that was decoded, for espalier export (.safetensors).", path("FILE", &Settings::save_asset)},
      {"--from-latent", files_group, generate_bit, "", "",
       "Decode what --save-latent wrote, instead of sampling; takes no pictures.", path("FILE", &Settings::from_latent)},
      {"--background", files_group, generate_bit | preprocess_bit, "ESPALIER_BACKGROUND", "automatic",
       "automatic: the pictures' alpha channel if they have one, else a plain background is removed. alpha: a picture without "
       "transparency is refused. none: as --no-preprocess.",
       choice(&Settings::background, backgrounds)},
      {"--no-preprocess", files_group, generate_bit | preprocess_bit, "ESPALIER_NO_PREPROCESS", "",
       "Take the pictures as they are: no background removal, no crop to the object.", flag(&Settings::no_preprocess)},
  };
}

std::vector<Option> finish_options() {
  constexpr unsigned both = generate_bit | export_bit;
  return {
      {"--raw-mesh", finish_group, both, "ESPALIER_RAW_MESH", "",
       "Write the mesh as it was decoded, with colours at its vertices: no clean-up, no simplification, no texture.",
       flag(&Settings::raw_mesh)},
      {"--simplify", finish_group, both, "ESPALIER_SIMPLIFY", "0.95", "Share of the faces that goes.",
       number<double>(
           "X", 0.0, 0.9999, [](Settings & s) -> auto& { return s.finish.simplify; })},
      {"--faces", finish_group, both, "ESPALIER_FACES", "", "At most so many faces, instead of --simplify.",
       number<std::int64_t>(
           "N", 4, 100'000'000, [](Settings & s) -> auto& { return s.finish.faces; })},
      {"--no-clean", finish_group, both, "ESPALIER_NO_CLEAN", "", "Keep inner walls, small pieces and holes.",
       flag(&Settings::no_clean)},
      {"--no-texture", finish_group, both, "ESPALIER_NO_TEXTURE", "", "Colours at vertices instead of a texture.",
       flag(&Settings::no_texture)},
      {"--texture-size", finish_group, both, "ESPALIER_TEXTURE_SIZE", "1024", "Texels on a side of the texture.",
       number<int>(
           "N", 512, 4096, [](Settings & s) -> auto& { return s.finish.texture_size; })},
      {"--bake", finish_group, both, "ESPALIER_BAKE", "best",
       "fast: the mean of the views that see a texel. best: the texture that reproduces the views.",
       choice(
           [](Settings & s) -> auto& { return s.finish.bake; }, bake_modes)},
      {"--bake-from", finish_group, both, "ESPALIER_BAKE_FROM", "gaussians",
       "What is baked. The radiance field costs more time; export needs an asset that was saved with it, or a latent.",
       choice(
           [](Settings & s) -> auto& { return s.finish.bake_radiance_field; }, bake_sources)},
      {"--bake-views", finish_group, both, "ESPALIER_BAKE_VIEWS", "100", "Views that are baked.",
       number<int>(
           "N", 1, 1000, [](Settings & s) -> auto& { return s.finish.views; })},
      {"--project-image", finish_group, both, "ESPALIER_PROJECT_IMAGE", "",
       "Blend the pictures that the asset was made of, all of them, into the texels that they see. A picture that does not "
       "match the object well enough is left out, with a notice.",
       flag([](Settings & s) -> auto& { return s.finish.project_image; })},
      {"--texture-format", finish_group, both, "ESPALIER_TEXTURE_FORMAT", "png",
       "How a .glb, .gltf, .obj or .3mf holds its texture; .obj and .3mf take a PNG for webp, which not every viewer of .glb "
       "reads.",
       choice(
           [](Settings & s) -> auto& { return s.save.texture; }, texture_formats)},
      {"--unlit", finish_group, both, "ESPALIER_UNLIT", "", "Let viewers of .glb and .gltf show the colours without light.",
       flag([](Settings & s) -> auto& { return s.save.unlit; })},
  };
}

std::vector<Option> picture_options() {
  const auto look = [](auto field) {
    return [=](Settings & s) -> auto& { return s.look.*field; };
  };
  return {
      {"--style", picture_group, render_bit, "", "auto",
       "How to draw. auto: textured, colour without a texture, clay without colours; splats where there is no mesh.",
       choice(look(&ViewRequest::style), render_styles)},
      {"--view", picture_group, render_bit, "", "164,20",
       "Where the camera stands; repeat it for several views. At a yaw of 180 it looks at the front, at 90 from +X, at a pitch "
       "of "
       "90 from above.",
       viewpoint()},
      {"--fov", picture_group, render_bit, "", "40", "Field of view in degrees; the size of the asset stays.",
       number<double>("X", 1.0, 120.0, look(&ViewRequest::fov))},
      {"--distance", picture_group, render_bit, "", "what shows the whole asset", "From the camera to the centre.",
       number<double>("X", 0.1, 100.0, look(&ViewRequest::distance))},
      {"--size", picture_group, render_bit, "", "1024; 512 of a turntable, 384 of a sheet", "Pixels on a side of a view.",
       number<int>(
           "N", 16, 4096, [](Settings & s) -> auto& { return s.picture_size; })},
      {"--background", picture_group, render_bit, "", "transparent; black of an .mp4, white of a sheet",
       "What is behind the asset.", background()},
      {"--unlit", picture_group, render_bit, "", "", "Show textures and colours as they are, without light.",
       flag([](Settings & s) -> auto& { return s.look.unlit; })},
      {"--seconds", picture_group, render_bit, "", "4", "Length of a turntable.",
       number<double>(
           "X", 0.1, 60.0, [](Settings & s) -> auto& { return s.seconds; })},
      {"--fps", picture_group, render_bit, "", "30", "Frames per second of a turntable.",
       number<int>(
           "N", 1, 60, [](Settings & s) -> auto& { return s.frames_per_second; })},
  };
}

std::vector<Option> sampling_options() {
  const auto structure = [](Settings& s) -> SamplerRequest& { return s.structure; };
  const auto latent = [](Settings& s) -> SamplerRequest& { return s.latent; };
  const auto steps = [](auto stage) {
    return number<int>(
        "N", 1, 1000, [=](Settings & s) -> auto& { return stage(s).steps; });
  };
  const auto strength = [](auto stage) {
    return number<double>(
        "X", 0.0, 100.0, [=](Settings & s) -> auto& { return stage(s).guidance; });
  };
  const auto rescale = [](auto stage) {
    return number<double>(
        "X", 0.01, 100.0, [=](Settings & s) -> auto& { return stage(s).rescale_t; });
  };
  return {
      {"--seed", sampling_group, generate_bit, "ESPALIER_SEED", "42", "Seed of the noise; the same seed gives the same asset.",
       number<std::uint32_t>(
           "N", 0, 4294967295U, [](Settings & s) -> auto& { return s.seed; })},
      {"--preset", sampling_group, generate_bit, "ESPALIER_PRESET", "checkpoint",
       "Where the values that follow come from when they are not given: the checkpoint's pipeline.json, or those of TRELLIS' "
       "public web app (12 steps, guidance 7.5 and 3).",
       choice(&Settings::preset, presets)},
      {"--ss-sampling-steps", sampling_group, generate_bit, "ESPALIER_SS_SAMPLING_STEPS", of_the_preset,
       "Sampling steps of the sparse structure.", steps(structure)},
      {"--ss-guidance-strength", sampling_group, generate_bit, "ESPALIER_SS_GUIDANCE_STRENGTH", of_the_preset,
       "Guidance strength of the sparse structure.", strength(structure)},
      {"--ss-guidance-interval", sampling_group, generate_bit, "ESPALIER_SS_GUIDANCE_INTERVAL", of_the_preset,
       "Times at which the guidance acts.", interval("LOW,HIGH", &SamplerRequest::interval, &Settings::structure)},
      {"--ss-rescale-t", sampling_group, generate_bit, "ESPALIER_SS_RESCALE_T", of_the_preset,
       "Rescaling of the times of the sparse structure.", rescale(structure)},
      {"--slat-sampling-steps", sampling_group, generate_bit, "ESPALIER_SLAT_SAMPLING_STEPS", of_the_preset,
       "Sampling steps of the structured latent.", steps(latent)},
      {"--slat-guidance-strength", sampling_group, generate_bit, "ESPALIER_SLAT_GUIDANCE_STRENGTH", of_the_preset,
       "Guidance strength of the structured latent.", strength(latent)},
      {"--slat-guidance-interval", sampling_group, generate_bit, "ESPALIER_SLAT_GUIDANCE_INTERVAL", of_the_preset,
       "Times at which the guidance acts.", interval("LOW,HIGH", &SamplerRequest::interval, &Settings::latent)},
      {"--slat-rescale-t", sampling_group, generate_bit, "ESPALIER_SLAT_RESCALE_T", of_the_preset,
       "Rescaling of the times of the structured latent.", rescale(latent)},
      {"--multiimage-algo", sampling_group, generate_bit, "ESPALIER_MULTIIMAGE_ALGO", "stochastic",
       "How several pictures condition the sampling: one of them per step, or the mean of all.",
       choice(&Settings::multi_image, multi_image_modes)},
  };
}

std::vector<Option> machine_options() {
  return {
      {"--model,--checkpoint", machine_group, generate_bit | export_bit | serve_bit, "ESPALIER_MODEL",
       "the checkpoint that ships with the program",
       "Folder of a TRELLIS checkpoint (with pipeline.json), or the name of one that espalier pull has fetched, such as "
       "trellis-image-large.",
       path("MODEL", &Settings::model)},
      {"CHECKPOINT", machine_group, info_bit, "ESPALIER_MODEL", "the checkpoint that ships with the program",
       "Folder of a TRELLIS checkpoint (with pipeline.json), or the name of one that espalier pull has fetched.",
       path("MODEL", &Settings::model)},
      {"--image-encoder", machine_group, generate_bit | export_bit | info_bit | serve_bit, "ESPALIER_IMAGE_ENCODER",
       "looked for beside the checkpoint, then in torch.hub's folder", "DINOv2 weights (the published .pth, or .safetensors).",
       path("FILE", &Settings::image_encoder)},
      {"--device", machine_group, generate_bit | export_bit | render_bit | bench_bit | doctor_bit | serve_bit,
       "ESPALIER_DEVICE", "auto", "Where to compute.", device()},
      {"--precision", machine_group, generate_bit | export_bit | bench_bit | serve_bit, "ESPALIER_PRECISION", "auto",
       "full: float32. half: float16 on a card, bfloat16 products on processors that have them. auto: half on a card, full on "
       "the CPU.",
       choice(&Settings::precision, precisions)},
      {"--vram-tier", machine_group, generate_bit | export_bit | serve_bit, "ESPALIER_VRAM_TIER", "auto",
       "How many weights stay in memory: all (high), those of a stage (medium), those of a network, with tiled decoding (low). "
       "auto: by the memory that is free.",
       choice(&Settings::tier, tiers)},
  };
}

// Numbers of `scale` bytes each.
Value bytes(const char* name, double low, double high, double scale, std::uint64_t server::ServeOptions::*field) {
  const std::string range = "a number from " + in_words(low) + " to " + in_words(high);
  return {.name = name, .range = range, .set = [=](Settings& s, const std::string& text) {
            s.serve.*field = static_cast<std::uint64_t>(scale * parse_in_range(text, low, high, range));
          }};
}

constexpr const char* kKeyRange = "8 to 200 visible ASCII characters";

std::string checked_key(const std::string& text) {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!visible || text.size() < 8 || text.size() > 200) throw UsageError(std::string("the key is not ") + kKeyRange);
  return text;
}

Value api_key() {
  return {.name = "KEY", .range = kKeyRange, .set = [](Settings& s, const std::string& text) {
            s.serve.api_key = checked_key(text);
          }};
}

Value api_key_file() {
  return {.name = "FILE", .range = "", .set = [](Settings& s, const std::string& text) {
            constexpr std::size_t kLongest = 4096;
            std::ifstream file(text, std::ios::binary);
            std::string content(kLongest, '\0');
            file.read(content.data(), static_cast<std::streamsize>(kLongest));
            if (file.bad() || file.gcount() == 0) throw UsageError("the file " + text + " cannot be read or is empty");
            content.resize(static_cast<std::size_t>(file.gcount()));
            std::string line = content.substr(0, content.find('\n'));
            if (line.ends_with('\r')) line.pop_back();
            s.serve.api_key = checked_key(line);
          }};
}

Value origins() {
  const std::string range = "http://HOST[:PORT] or https://HOST[:PORT]";
  return {.name = "ORIGIN",
          .range = range,
          .set =
              [=](Settings& s, const std::string& text) {
                const auto scheme = text.starts_with("https://") ? 8U : text.starts_with("http://") ? 7U : 0U;
                if (scheme == 0 || text.size() == scheme || text.find('/', scheme) != std::string::npos)
                  refuse(text, "not ", range);
                s.serve.allowed_origins.push_back(text);
              },
          .repeats = true};
}

std::vector<Option> server_options() {
  const auto host = [](Settings& s) -> std::string& { return s.serve.host; };
  return {
      {"--host",
       server_group,
       serve_bit,
       "ESPALIER_HOST",
       "127.0.0.1",
       "Address to listen at. One that other machines can reach needs --api-key or --no-auth.",
       {.name = "ADDRESS",
        .range = "",
        .set =
            [=](Settings& s, const std::string& text) {
              if (text.empty()) throw UsageError("the address is empty");
              host(s) = text;
            }}},
      {"--port", server_group, serve_bit, "ESPALIER_PORT", "7860", "Port to listen at; 0: one that is free.",
       number<int>(
           "N", 0, 65535, [](Settings & s) -> auto& { return s.serve.port; })},
      {"--api-key", server_group, serve_bit, "ESPALIER_API_KEY", "",
       "Ask every client for this key. Other users of this machine can see the command line, not the variable.", api_key()},
      {"--api-key-file", server_group, serve_bit, "ESPALIER_API_KEY_FILE", "",
       "Read the key from the first line of this file, which other users of this machine should not be able to read.",
       api_key_file()},
      {"--no-auth", server_group, serve_bit, "", "", "Let everybody in who can reach the address.",
       flag([](Settings & s) -> auto& { return s.serve.no_auth; })},
      {"--allow-origin", server_group, serve_bit, "", "", "Let the page of another server use this one; may be repeated.",
       origins()},
      {"--data",
       server_group,
       serve_bit,
       "ESPALIER_DATA",
       "$XDG_DATA_HOME/espalier, or ~/.local/share/espalier",
       "Folder of jobs and their files.",
       {.name = "FOLDER",
        .range = "",
        .set =
            [](Settings& s, const std::string& text) {
              if (text.empty()) throw UsageError("the name is empty");
              s.serve.data = text;
            }}},
      {"--rebuild", server_group, serve_bit, "", "",
       "Make the database of jobs again from the records in their folders; the old one is moved to lost/ in the folder of "
       "jobs.",
       flag([](Settings & s) -> auto& { return s.serve.rebuild; })},
      {"--keep-alive", server_group, serve_bit, "ESPALIER_KEEP_ALIVE", "15",
       "Minutes without a job after which the weights leave memory; the next job loads them again.",
       number<double>(
           "MIN", 0.0, 525600.0, [](Settings & s) -> auto& { return s.serve.keep_alive_minutes; })},
      {"--max-queue", server_group, serve_bit, "ESPALIER_MAX_QUEUE", "200", "Jobs that may wait; more are refused.",
       number<int>(
           "N", 1, 100000, [](Settings & s) -> auto& { return s.serve.max_queue; })},
      {"--max-upload", server_group, serve_bit, "ESPALIER_MAX_UPLOAD", "64", "MiB that one request may bring.",
       bytes("MIB", 0.01, 65536, 1048576.0, &server::ServeOptions::max_upload_bytes)},
      {"--max-voxels", server_group, serve_bit, "ESPALIER_MAX_VOXELS", "65536",
       "Voxels that a latent which is sent may have; the memory of decoding grows with them.",
       number<int>(
           "N", 1, 262144, [](Settings & s) -> auto& { return s.serve.max_voxels; })},
      {"--keep-days", server_group, serve_bit, "ESPALIER_KEEP_DAYS", "30", "Days after which ended jobs are removed; 0: never.",
       number<double>(
           "DAYS", 0.0, 36500.0, [](Settings & s) -> auto& { return s.serve.keep_days; })},
      {"--keep-size", server_group, serve_bit, "ESPALIER_KEEP_SIZE", "20",
       "GiB of files of all jobs, above which the oldest that ended are removed; 0: no limit.",
       bytes("GIB", 0.0, 1048576, 1073741824.0, &server::ServeOptions::keep_bytes)},
      {"--client-timeout", server_group, serve_bit, "ESPALIER_CLIENT_TIMEOUT", "20",
       "Seconds that a client may take for its headers, and for a body or a download beyond what 8 KiB/s take.",
       number<double>(
           "S", 0.1, 3600.0, [](Settings & s) -> auto& { return s.serve.client_seconds; })},
  };
}

std::vector<Option> weights_options() {
  return {
      {"NAME", weights_group, pull_bit, "", "",
       "trellis-image-large, trellis-text-base, trellis-text-large, trellis-text-xlarge, isnet, u2net, birefnet, or OWNER/REPO "
       "or "
       "OWNER/REPO@REVISION of the hub (HF_ENDPOINT, HF_TOKEN).",
       names("NAME", &Settings::model_names)},
      {"NAME", weights_group, models_bit, "", "all", "Models to look at closely, file by file.",
       names("NAME", &Settings::model_names)},
      {"--to", weights_group, pull_bit, "",
       "the caches that other programs share (HF_HUB_CACHE, HF_HOME, TORCH_HOME, U2NET_HOME)",
       "Put the files into this folder, for --model FOLDER.",
       path(
           "DIR", [](Settings & s) -> auto& { return s.weights.folder; })},
      {"--bundle", weights_group, pull_bit, "", "",
       "Then write the models into this one file, for a machine without a network.", path("FILE", &Settings::bundle)},
      {"--from-bundle", weights_group, pull_bit, "", "", "Take over what such a file holds; uses no network.",
       path("FILE", &Settings::from_bundle)},
      {"--offline", weights_group, pull_bit, "ESPALIER_OFFLINE", "",
       "Use no network: only find and verify what is here. HF_HUB_OFFLINE=1 does the same.",
       flag([](Settings & s) -> auto& { return s.weights.offline; })},
      {"--verify", weights_group, pull_bit, "", "",
       "Also hash large files of the hub's cache, which were verified when they came; what is damaged is fetched again.",
       flag([](Settings & s) -> auto& { return s.weights.verify; })},
      {"--parallel", weights_group, pull_bit, "ESPALIER_PARALLEL", "4", "Files that are fetched at once.",
       number<int>(
           "N", 1, 16, [](Settings & s) -> auto& { return s.weights.parallel; })},
  };
}

std::vector<Option> report_options() {
  return {
      {"--voxels", report_group, bench_bit, "", "12k", "The coordinate set of docs/performance.md to time.",
       choice(&Settings::voxels, voxel_sets)},
      {"--repetitions", report_group, bench_bit, "", "5", "Timed runs of each stage; the median counts.",
       number<int>(
           "N", 1, 1000, [](Settings & s) -> auto& { return s.repetitions; })},
      {"--quick", report_group, bench_bit, "", "", "One small repetition, to see that it runs.", flag(&Settings::quick)},
      {"--json", report_group,
       generate_bit | export_bit | render_bit | check_bit | convert_bit | info_bit | bench_bit | doctor_bit | pull_bit |
           models_bit,
       "", "", "Print the report as JSON on standard output.", flag(&Settings::json)},
      {"--quiet", report_group, generate_bit | export_bit | render_bit | bench_bit | pull_bit, "ESPALIER_QUIET", "",
       "No progress and no report; warnings and errors only.", flag(&Settings::quiet)},
  };
}

// "--vram-tier" of "-v,--vram-tier,--other": the first long flag, or the positional name.
std::string long_name(const std::string& flags) {
  const auto dashes = flags.find("--");
  return dashes == std::string::npos ? flags : flags.substr(dashes, flags.find(',', dashes) - dashes);
}

// Wraps descriptions, which CLI11 would print as one line.
class WrappingFormatter : public CLI::Formatter {
 public:
  WrappingFormatter() { column_width(34); }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string text = option->get_description();
    if (!option->get_envname().empty()) text += " (" + option->get_envname() + ")";
    const std::size_t indent = get_column_width();
    std::string out = "  " + make_option_name(option, positional) + " " + option->get_type_name();
    std::size_t start = 0;  // of the current line
    const auto next_line = [&] {
      out += '\n';
      start = out.size();
    };
    const auto fill = [&] { out.append(indent - (out.size() - start), ' '); };
    if (out.size() >= indent) next_line();
    fill();
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (out.size() - start + 1 + word.size() > line_length) {
        next_line();
        fill();
      } else if (out.size() - start > indent) {
        out += ' ';
      }
      out += word;
    }
    return out + "\n";
  }

 private:
  static constexpr std::size_t line_length = 110;
};

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (const auto equals = text.find('='); equals != std::string::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

void add_option(CLI::App& app, const Option& row, Settings& settings) {
  const auto set = [&row, &settings](const std::string& text) {
    try {
      row.value.set(settings, text);
    } catch (const UsageError& error) {
      throw CLI::ValidationError(long_name(row.flags), error.what());
    }
  };
  CLI::Option* option = nullptr;
  if (row.value.name.empty()) {
    option = app.add_flag_callback(
        row.flags, [set] { set({}); }, row.description());
  } else {
    option = app.add_option(
        row.flags,
        [set](const CLI::results_t& texts) {
          std::for_each(texts.begin(), texts.end(), set);
          return true;
        },
        row.description());
    option->type_name(row.value.name);
    if (row.value.repeats) {
      // A flag takes one value at a time, so that pictures may follow it; a position takes all that come.
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      if (row.flags.front() != '-') option->expected(-1);
    }
  }
  option->group(row.group);
  if (!row.environment.empty()) option->envname(row.environment);
}

}  // namespace

std::span<const Command> commands() {
  static constexpr std::array table{
      Command{generate_bit, "generate", "Makes a 3D asset of pictures", &generate},
      Command{preprocess_bit, "preprocess", "Writes the cut-out of a picture that generate would look at", &preprocess},
      Command{export_bit, "export", "Writes a saved asset or latent again, without sampling, or Gaussians in another format",
              &export_asset},
      Command{render_bit, "render", "Draws views, turntables and contact sheets of an asset, a mesh or Gaussians", &render},
      Command{serve_bit, "serve", "Serves the studio: the page in the browser and the HTTP interface", &serve},
      Command{check_bit, "check", "Reports on the mesh or the Gaussians in a file", &check},
      Command{convert_bit, "convert", "Writes weights of torch.save (.pth) as a safetensors file", &convert},
      Command{info_bit, "info", "Lists what a checkpoint holds and checks it", &info},
      Command{bench_bit, "bench", "Times every stage on the workload of docs/performance.md", &bench},
      Command{pull_bit, "pull", "Fetches the weights of a model, or finds them on this machine", &pull},
      Command{models_bit, "models", "Lists the models that are known: what is here, what is missing, what it takes", &models},
      Command{doctor_bit, "doctor", "Checks every kernel family on a device against known answers", &doctor},
  };
  return table;
}

std::string Option::description() const {
  std::string text = help;
  if (!value.range.empty()) text += " Accepts " + value.range + ".";
  if (!fallback.empty()) text += " Default: " + fallback + ".";
  return text;
}

const std::vector<Option>& option_table() {
  static const std::vector<Option> table = [] {
    std::vector<Option> all;
    for (auto part : {file_options(), finish_options(), picture_options(), sampling_options(), server_options(),
                      machine_options(), weights_options(), report_options()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return table;
}

void add_commands(CLI::App& app, Settings& settings) {
  app.formatter(std::make_shared<WrappingFormatter>());
  // Where weights are kept, and what the default of --data is made from.
  settings.weights.variables = environment();
  settings.data_home = settings.weights.variables["XDG_DATA_HOME"];
  settings.home = settings.weights.variables["HOME"];
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->set_help_flag("-h,--help", "Print this help.");
    for (const Option& row : option_table()) {
      if ((row.commands & command.bit) != 0) add_option(*sub, row, settings);
    }
  }
}

std::string options_markdown() {
  std::ostringstream out;
  out << "# Options of the command\n\n"
         "Made by `espalier --dump-options-markdown` from the table in apps/cli/options.cpp; a test compares the two.\n"
         "A flag wins over its environment variable.\n";
  for (const Command& command : commands()) {
    out << "\n## espalier " << command.name << "\n" << command.summary << ".\n";
    std::string group;
    for (const Option& row : option_table()) {
      if ((row.commands & command.bit) == 0) continue;
      if (row.group != group) {
        group = row.group;
        out << "\n### " << group << "\n\n| option | environment | meaning |\n|---|---|---|\n";
      }
      std::string flags = row.flags;
      for (std::size_t at = 0; (at = flags.find(',', at)) != std::string::npos; at += 4) flags.replace(at, 1, "`, `");
      const std::string variable = row.environment.empty() ? "" : "`" + row.environment + "`";
      const std::string value = row.value.name.empty() ? "" : " " + row.value.name;
      out << "| `" << flags << "`" << value << " | " << variable << " | " << row.description() << " |\n";
    }
  }
  return out.str();
}

}  // namespace espalier::cli
