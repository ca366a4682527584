// The option table: one row for each option. include/espalier/options.h says how to add one.
#include "api/option_rows.h"

#include <fstream>

#include "api/option_fields.h"

namespace espalier {
namespace {

constexpr OptionGroup files = OptionGroup::files, finishing = OptionGroup::finishing, pictures = OptionGroup::pictures,
                      sampling = OptionGroup::sampling, machine = OptionGroup::machine, weights = OptionGroup::weights,
                      server = OptionGroup::server, reports = OptionGroup::reports;
constexpr unsigned generate = use_generate, vary = use_vary, edit = use_edit, preprocess = use_preprocess,
                   exporting = use_export, render = use_render, serve = use_serve, info = use_info, check = use_check,
                   batch = use_batch, turntables = use_turntables, environment = use_environment;
constexpr unsigned sampled = generate | vary | edit;  // commands that sample
constexpr unsigned made = sampled | exporting;        // commands that make an asset's files
constexpr unsigned jobs = use_jobs | use_exports;     // the same of the server
constexpr unsigned opening = made | serve | batch;    // commands that may open a checkpoint
constexpr const char* of_the_preset = "the preset's";
constexpr const char* shipped_model = "the checkpoint that ships with the program";

// ---- Fields that no template knows

OptionField matching(OptionField field, std::string accept, bool (*accepts)(const std::string&)) {
  field.accept = std::move(accept);
  field.set = [set = field.set, accepts](Options& options, const OptionValue& value) {
    const auto* const text = std::get_if<std::string>(&value);
    const auto* const texts = std::get_if<std::vector<std::string>>(&value);
    const bool good = text != nullptr ? accepts(*text) : texts != nullptr && std::all_of(texts->begin(), texts->end(), accepts);
    return good && set(options, value);
  };
  return field;
}

bool is_device(const std::string& text) {
  const std::string prefix = "cuda:";
  const bool numbered = text.starts_with(prefix) && parsed_number<unsigned short>(text.substr(prefix.size())).has_value();
  return numbered || text == "auto" || text == "cpu" || text == "cuda";
}
bool is_key(const std::string& text) {
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  return visible && text.size() >= 8 && text.size() <= 200;
}
// The key in the first line of a file that is named.
template <class Part>
OptionField key_file(std::string Part::*member) {
  OptionField field = matching(of(member, "FILE"), "a file whose first line is 8 to 200 visible ASCII characters", is_key);
  field.parse = [](const std::string& name) -> std::optional<OptionValue> {
    constexpr std::streamsize kLongest = 4096;
    std::ifstream file(name, std::ios::binary);
    std::string content(kLongest, '\0');
    file.read(content.data(), kLongest);
    content.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    std::string line = content.substr(0, content.find('\n'));
    if (line.ends_with('\r')) line.pop_back();
    return line;
  };
  return field;
}

bool is_origin(const std::string& text) {
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return scheme > 0 && text.size() > scheme && text.find('/', scheme) == std::string::npos;
}

OptionField decoded() {
  const auto to = [](const Decoded& d) {
    std::vector<std::string> words;
    const std::array on{d.mesh, d.gaussians, d.radiance_field};
    for (std::size_t i = 0; i < on.size(); ++i) {
      if (on[i]) words.emplace_back(kDecoded[i]);
    }
    return words;
  };
  const auto from = [](const std::vector<std::string>& words) -> std::optional<Decoded> {
    const auto on = [&](std::size_t i) { return std::find(words.begin(), words.end(), kDecoded.at(i)) != words.end(); };
    return Decoded{.mesh = on(0), .gaussians = on(1), .radiance_field = on(2)};
  };
  return choices_field(access(&Options::decode), list_of(kDecoded), to, from);
}

OptionField backgrounds() {
  const auto to = [](const std::vector<Background>& values) {
    std::vector<std::string> words;
    for (const Background value : values) words.emplace_back(enumerator_name(value));
    return words;
  };
  const auto from = [](const std::vector<std::string>& words) -> std::optional<std::vector<Background>> {
    std::vector<Background> values;
    for (const std::string& word : words) {
      const auto& names = kNames<Background>;
      values.push_back(static_cast<Background>(std::find(names.begin(), names.end(), word) - names.begin()));
    }
    return values;
  };
  OptionField field = choices_field(access(&Options::background), list_of(kNames<Background>), to, from);
  field.accept = "one of " + joined(field.choices) + ", or one for each image, separated by commas";
  field.most = 0;
  field.one_for_all = true;
  return field;
}

OptionField file_formats() {
  std::vector<std::string> names;
  for (const ResultFormat& format : result_formats()) {
    if (format.single_file) names.emplace_back(format.name);
  }
  const auto same = [](const std::vector<std::string>& words) { return words; };
  return choices_field(access(&Options::formats), names, same,
                       [](const std::vector<std::string>& words) -> std::optional<std::vector<std::string>> {
                         std::vector<std::string> sorted = words;
                         std::sort(sorted.begin(), sorted.end());
                         const bool twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
                         return twice ? std::nullopt : std::optional(words);
                       });
}

OptionField voxel_set() {
  OptionField field{.type = OptionType::choice, .choices = list_of(kVoxelSets), .meta = "NAME"};
  field.accept = "one of " + joined(field.choices);
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return text; };
  return field_of(
      field, access(&Options::voxels), [](const std::string& value) { return value; },
      [](const OptionValue& value) -> std::optional<std::string> {
        const auto* const text = std::get_if<std::string>(&value);
        const bool known = text != nullptr && std::find(kVoxelSets.begin(), kVoxelSets.end(), *text) != kVoxelSets.end();
        return known ? std::optional(*text) : std::nullopt;
      });
}

// Whole numbers of 32 bits, none twice.
OptionField seed_list() {
  constexpr double kLargest = 4294967295.0;
  OptionField field{.type = OptionType::numbers, .low = 0.0, .high = kLargest, .most = 64, .meta = "LIST"};
  field.accept = "1 to 64 whole numbers from 0 to 4294967295, none of them twice, separated by commas";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> {
    std::vector<double> seeds;
    for (const std::string& word : split_at_commas(text)) {
      const auto seed = parsed_number<std::uint32_t>(word);
      if (!seed) return std::nullopt;
      seeds.push_back(*seed);
    }
    return seeds;
  };
  return field_of(
      field, access(&Options::seeds),
      [](const std::vector<std::uint32_t>& seeds) { return std::vector<double>(seeds.begin(), seeds.end()); },
      [most = field.most](const OptionValue& value) -> std::optional<std::vector<std::uint32_t>> {
        const auto* const numbers = std::get_if<std::vector<double>>(&value);
        if (numbers == nullptr || numbers->size() > most) return std::nullopt;
        std::vector<std::uint32_t> seeds;
        for (const double n : *numbers) {
          const bool whole = n >= 0.0 && n <= kLargest;
          if (!whole || std::find(seeds.begin(), seeds.end(), static_cast<std::uint32_t>(n)) != seeds.end())
            return std::nullopt;
          seeds.push_back(static_cast<std::uint32_t>(n));
        }
        return seeds;
      });
}

OptionField interval(SamplerRequest Options::*stage) {
  OptionField field{.type = OptionType::numbers, .low = 0.0, .high = 1.0, .most = 2, .meta = "LOW,HIGH"};
  field.accept = "two numbers from 0 to 1, low and high, such as 0.5,1";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return parsed_numbers(text, 2); };
  return field_of(
      field, through(stage, &SamplerRequest::interval),
      [](const std::array<double, 2>& pair) { return std::vector<double>(pair.begin(), pair.end()); },
      [](const OptionValue& value) -> std::optional<std::array<double, 2>> {
        const auto* const pair = std::get_if<std::vector<double>>(&value);
        const bool good =
            pair != nullptr && pair->size() == 2 && (*pair)[0] >= 0.0 && (*pair)[0] <= (*pair)[1] && (*pair)[1] <= 1.0;
        return good ? std::optional(std::array{(*pair)[0], (*pair)[1]}) : std::nullopt;
      });
}

OptionField viewpoints() {
  OptionField field{.type = OptionType::numbers, .low = -36000.0, .high = 36000.0, .most = 2 * 64, .meta = "YAW,PITCH"};
  field.accept = "two numbers, yaw and pitch in degrees, such as 150,20, with a pitch from -90 to 90; at most 64 times";
  field.repeats = true;
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return parsed_numbers(text, 2); };
  return field_of(
      field, access(&Options::views),
      [](const std::vector<Viewpoint>& views) {
        std::vector<double> numbers;
        for (const Viewpoint& v : views) numbers.insert(numbers.end(), {v.yaw, v.pitch});
        return numbers;
      },
      [most = field.most, far = field.high](const OptionValue& value) -> std::optional<std::vector<Viewpoint>> {
        const auto* const numbers = std::get_if<std::vector<double>>(&value);
        if (numbers == nullptr || numbers->size() % 2 != 0 || numbers->size() > most) return std::nullopt;
        std::vector<Viewpoint> views;
        for (std::size_t i = 0; i < numbers->size(); i += 2) {
          const Viewpoint v{(*numbers)[i], (*numbers)[i + 1]};
          if (!(v.yaw >= -far && v.yaw <= far && v.pitch >= -90.0 && v.pitch <= 90.0)) return std::nullopt;
          views.push_back(v);
        }
        return views;
      });
}

OptionField colour() {
  OptionField field{.type = OptionType::numbers, .low = 0.0, .high = 1.0, .most = 3, .meta = "COLOUR"};
  field.accept = "transparent, black, white, or a colour such as #20a0ff";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> {
    const auto numbers = parsed_colour(text);
    if (!numbers) return std::nullopt;
    return numbers->empty() ? OptionValue() : OptionValue(*numbers);
  };
  return field_of(
      field, access(&ViewRequest::background),
      [](const std::array<double, 3>& rgb) { return std::vector<double>(rgb.begin(), rgb.end()); },
      [](const OptionValue& value) -> std::optional<std::array<double, 3>> {
        const auto* const rgb = std::get_if<std::vector<double>>(&value);
        const auto part = [](double c) { return c >= 0.0 && c <= 1.0; };
        const bool good = rgb != nullptr && rgb->size() == 3 && std::all_of(rgb->begin(), rgb->end(), part);
        return good ? std::optional(std::array{(*rgb)[0], (*rgb)[1], (*rgb)[2]}) : std::nullopt;
      });
}

// Metres; a number without a unit is metres, too.
OptionField height() {
  OptionField field = of(&SaveOptions::height, 0.001, 1000, "LENGTH");
  field.accept = "1mm to 1000m, in mm, cm or m";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> {
    if (const auto metres = parsed_number<double>(text)) return *metres;
    const auto millimetres = parsed_length(text);
    return millimetres ? std::optional<OptionValue>(*millimetres / 1000.0) : std::nullopt;
  };
  return field;
}

// Millimetres.
template <class Part>
OptionField length(double Part::*member, double low, const char* accept) {
  constexpr double kMost = 10000;
  OptionField field = of(member, low, kMost, "LENGTH");
  field.accept = accept;
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return parsed_length(text); };
  field.print = [](const OptionValue& value) { return in_words(std::get<double>(value)) + "mm"; };
  return field;
}

std::string usual_sizes() {
  return in_words(ViewRequest{}.size) + "; " + in_words(TurntableRequest{}.look.size) + " of a turntable, " +
         in_words(SheetRequest{}.look.size) + " of a sheet";
}

// Bytes; `unit`: of a number without suffix.
template <class Part>
OptionField bytes(std::uint64_t Part::*member, std::int64_t low, std::int64_t high, std::int64_t unit, const char* accept) {
  OptionField field = of(member, static_cast<double>(low), static_cast<double>(high), "SIZE");
  field.accept = accept;
  field.parse = [unit](const std::string& text) -> std::optional<OptionValue> { return parsed_bytes(text, unit); };
  field.print = [unit](const OptionValue& value) {
    return in_words(static_cast<double>(std::get<std::int64_t>(value)) / static_cast<double>(unit));
  };
  return field;
}
constexpr std::int64_t kMiB = std::int64_t{1} << 20U, kGiB = std::int64_t{1} << 30U, kTiB = std::int64_t{1} << 40U;

// What commands read.
std::vector<Option> input_rows() {
  return {
      {"image",
       files,
       generate | preprocess,
       of(&Options::images, "IMAGE"),
       "Images (PNG, JPEG, WebP, AVIF, HEIC, TIFF, BMP, GIF); - is standard input. Several become one asset each; with --views "
       "they are views of one "
       "object.",
       {.positional = true}},
      {"views", files, generate | use_jobs, of(&Options::views_of_one),
       "The images are views of one object, which becomes one asset."},
      {"out-dir", files, generate, of(&Options::out_dir, "FOLDER"),
       "Folder of the outputs that name none, made if it is missing. Without -o it gets a .glb of each image."},
      {"input", files, vary, of(&Options::inputs, "MESH"), "The shape (.glb, .gltf, .obj, .stl, .ply).", {.positional = true}},
      {"input",
       files,
       edit,
       of(&Options::inputs, "ASSET"),
       "The asset, as --save-asset wrote it (.safetensors).",
       {.positional = true}},
      {"image", files, vary | edit, of(&Options::images, "IMAGE"),
       "Image of what the shape, or the part, should look like, for an image model; repeat it for several views."},
      {"prompt", files, sampled | use_jobs, of(&Options::prompt, "TEXT", true),
       "What to make, in words, instead of images. Needs a text model: espalier pull trellis-text-base, then --model "
       "trellis-text-base."},
      {"negative-prompt", files, sampled | use_jobs, of(&Options::negative_prompt, "TEXT", true),
       "What the guidance leads away from."},
      {"prompts", files, generate, of(&Options::prompts, "FILE"),
       "Make one asset for each prompt in this file: one a line, or a .csv with the columns name, prompt and, if wanted, seed. "
       "-o names a folder, for NAME.glb, or has {name} in it, as in -o out/{name}.ply."},
      {"input",
       files,
       exporting,
       of(&Options::inputs, "FILE"),
       "What --save-asset or --save-latent wrote, or Gaussians (.ply, .spz, .splat).",
       {.positional = true}},
      {"input",
       files,
       render,
       of(&Options::inputs, "FILE"),
       "What --save-asset wrote, a mesh (.glb, .gltf, .obj, .stl, .ply) or Gaussians (.ply, .spz, .splat).",
       {.positional = true}},
      {"input",
       files,
       check,
       of(&Options::inputs, "FILE"),
       "Meshes (.glb, .gltf, .obj, .stl, .ply), Gaussians (.ply, .spz, .splat) and what --save-asset wrote.",
       {.positional = true}},
  };
}

// Where an asset stands in its files.
std::vector<Option> place_rows() {
  return {
      {"origin", files, made | jobs | environment, of(&SaveOptions::origin),
       "What lies at the origin of every file. bottom: the middle of the lower side of the box, so that the asset stands on "
       "the "
       "floor. centre: the middle of the box. source: TRELLIS' own frame. auto: bottom, but source with raw-mesh and "
       "keep-mesh."},
      {"height",
       files,
       made | jobs | environment,
       height(),
       "Real height, to which every file is scaled; of an .stl or .3mf it counts instead of --size.",
       {.fallback = "1 m for the side of the unit cube", .json = "height_m", .unit = "m"}},
      {"up", files, made | jobs | environment, of(&SaveOptions::up),
       "Axis that points up in .obj, .stl, .mesh.ply, .ply and .splat; the other formats say themselves which it is. auto: y "
       "in "
       ".obj, z in .stl and .mesh.ply, -y in .ply and .splat."},
  };
}

}  // namespace

std::vector<Option> file_rows() {
  std::vector<Option> rows = input_rows();
  const std::vector<Option> others{
      {"output",
       files,
       made | preprocess,
       of(&Options::outputs, "FILE"),
       "A file to write; repeat it for several. {name} stands for the name of the image; - is standard output, as a .glb "
       "(preprocess: .png), and -.ply and the like as that. .glb, .gltf, .gltf.zip, .obj, .obj.zip, .3mf, .stl, .usdz, .fbx "
       "and "
       ".mesh.ply hold the mesh, .ply, .compressed.ply, .splats.glb, .spz and .splat the Gaussians. preprocess: .png.",
       {.letter = "o"}},
      {"output",
       files,
       render,
       of(&Options::outputs, "FILE"),
       "A file to draw; repeat it for several; - is standard output, as a .png, and -.webp as that. .png: the views that "
       "--view asks for, side by side. .mp4 and .webp: a turntable "
       "that begins at the first of them; an .mp4 needs the program ffmpeg.",
       {.letter = "o"}},
      {"decode",
       files,
       made | environment,
       decoded(),
       "What to decode.",
       {.fallback = "what the output files hold", .old = {"formats"}}},
      {"formats", files, jobs | batch, file_formats(),
       "Files to write. mesh.ply holds the mesh; ply, compressed.ply, splats.glb, spz and splat hold the Gaussians."},
      {"preview", files, made, of(&Options::preview, "FILE"), "Also draw four views into this .png."},
      {"turntable", files, made | render, of(&Options::turntable, "FILE"),
       "Also draw the asset as it turns once around, into this .mp4 (needs the program ffmpeg) or .webp."},
      {"sheet", files, made | render, of(&Options::sheet, "FILE"),
       "Also draw four views in every style that there is something to show in, into this .png."},
      {"size",
       files,
       made | jobs | environment,
       length(&SaveOptions::size_mm, 0.1, "0.1mm to 10000mm, in mm, cm or m"),
       "Largest dimension of an .stl or .3mf, and of the object that min-wall and flat-base are measured on.",
       {.json = "size_mm", .unit = "mm"}},
      {"save-latent", files, sampled, of(&Options::save_latent, "FILE"),
       "Also write what was sampled, for --from-latent (.safetensors)."},
      {"save-asset", files, made, of(&Options::save_asset, "FILE"),
       "Also write everything that was decoded, for espalier export (.safetensors)."},
      {"from-latent", files, generate, of(&Options::from_latent, "FILE"),
       "Decode what --save-latent wrote, instead of sampling; takes no images."},
      {"keep-structure", files, generate, of(&Options::keep_structure, "ASSET"),
       "Keep the voxels of this asset, as --save-asset wrote it, and sample details alone."},
  };
  rows.insert(rows.end(), others.begin(), others.end());
  return rows;
}

std::vector<Option> foreground_rows() {
  std::vector<Option> rows{
      {"background", files, sampled | preprocess | use_jobs | environment, backgrounds(),
       "auto: the image's alpha channel if it has one, else a network removes the background if its weights are found, else a "
       "plain background is removed. alpha: an image without transparency is refused. none: the image is taken as it is. "
       "plain: "
       "without a network. network: by the network, whatever the alpha channel says."},
      {"mask",
       files,
       generate | preprocess,
       of(&Options::masks, "FILE"),
       "A mask of the image, white or opaque for the object, instead of removing the background; repeat it for several images.",
       {.fallback = "none"}},
      {"background-network",
       files,
       sampled | preprocess | serve | batch | environment,
       of(&Options::background_network, "NAME"),
       "The network that removes backgrounds: isnet, u2net, u2netp, or an .onnx file of U2-Net or IS-Net as rembg has them.",
       {.fallback = "the first that is found"}},
      {"networks",
       files,
       sampled | preprocess | serve | batch | environment,
       of(&Options::networks, "FOLDER"),
       "Folder of these networks, under rembg's names: isnet-general-use.onnx, u2net.onnx, u2netp.onnx.",
       {.fallback = "$XDG_DATA_HOME/.u2net, ~/.u2net, espalier's data folder", .variable = "U2NET_HOME"}},
      {"no-preprocess", files, sampled | preprocess | environment, of(&Options::no_preprocess),
       "Take the images as they are: no background removal, no crop to the object."},
      {"name", files, jobs, of(&Options::name, "TEXT", true), "Shown in lists; without one the first image's."},
  };
  const std::vector<Option> places = place_rows();
  rows.insert(rows.end(), places.begin(), places.end());
  return rows;
}

std::vector<Option> finishing_rows() {
  constexpr unsigned all = made | jobs | environment;
  return {
      {"surface", finishing, made | use_jobs | environment, of(&Options::surface),
       "How the mesh is extracted. solid: the voxels are the shell of a solid, so that there are no walls inside and gaps are "
       "closed. reference: TRELLIS' rule. auto: solid, but reference with raw-mesh. A saved asset keeps the rule that it was "
       "decoded with."},
      {"raw-mesh", finishing, all, of(&Options::raw_mesh),
       "Write the mesh as it was decoded, with colours at its vertices: no clean-up, no simplification, no texture."},
      {"clean",
       finishing,
       all,
       of(&FinishRequest::clean),
       "Remove interior faces and small pieces, and close holes.",
       {.without = "Keep interior faces, small pieces and holes."}},
      {"fill-holes", finishing, all, of(&FinishRequest::fill_holes), "Close holes while cleaning.", {.without = "Keep holes."}},
      {"simplify", finishing, all, of(&FinishRequest::simplify, 0.0, 0.9999), "Share of the faces that goes."},
      {"faces", finishing, all, of(&FinishRequest::faces, 4, 100'000'000), "At most so many faces, instead of simplify."},
      {"watertight", finishing, all, of(&FinishRequest::watertight),
       "For print: make sure that the mesh is closed and that no face passes through another."},
      {"min-wall",
       finishing,
       all,
       length(&FinishRequest::min_wall_mm, 0.0, "0 to 10000mm, in mm or cm"),
       "With watertight: make thinner walls that thick, at the size of the option size.",
       {.json = "min_wall_mm", .unit = "mm"}},
      {"flat-base",
       finishing,
       all,
       length(&FinishRequest::flat_base_mm, 0.0, "0 to 10000mm, in mm or cm"),
       "With watertight: cut so much off the bottom, so that the object stands on a plane.",
       {.json = "flat_base_mm", .unit = "mm"}},
      {"texture",
       finishing,
       all,
       of(&FinishRequest::texture),
       "Unwrap the mesh and bake a texture; without it, colours at vertices.",
       {.without = "Colours at vertices instead of a texture."}},
      {"texture-size", finishing, all, of(&FinishRequest::texture_size, 512, 4096), "Texels on a side of the texture."},
      {"bake", finishing, all, of(&FinishRequest::bake),
       "fast: the mean of the views that see a texel. best: the texture that reproduces the views."},
      {"bake-from", finishing, made | environment, choice_field(access(&FinishRequest::bake_radiance_field), kBakeSources),
       "What is baked. The radiance field costs more time; export needs an asset that was saved with it, or a latent."},
      {"bake-views", finishing, made | environment, of(&FinishRequest::views, 1, 1000), "Views that are baked."},
      {"bake-view-size", finishing, made | environment, of(&FinishRequest::view_size, 64, 4096),
       "Pixels on a side of a view that is baked."},
      {"project-image", finishing, all & ~edit, of(&FinishRequest::project_image),
       "Blend the images that the asset was made of, all of them, into the texels that they see. An image that does not match "
       "the object well enough is left out, with a notice."},
      {"keep-mesh", finishing, vary, of(&Options::keep_mesh),
       "Bake the texture onto the mesh that is given, which keeps its faces, place and size."},
      {"keep-uvs", finishing, vary, of(&Options::keep_uvs), "With --keep-mesh: and keeps its texture coordinates."},
      {"texture-format", finishing, all, of(&SaveOptions::texture),
       "How a .glb, .gltf, .obj, .3mf, .usdz or .fbx holds its texture. auto: jpeg in .glb and .gltf, webp with compress, png "
       "elsewhere and for textures of other programs. Not every viewer of .glb reads webp; the others take a PNG for it."},
      {"spz-version", finishing, made | environment, of(&SaveOptions::spz_version, 2, 4),
       "Version of an .spz; 3 and 2 are for older readers."},
      {"quantise",
       finishing,
       all,
       of(&SaveOptions::quantise),
       "Numbers of 16 and 8 bits in .glb and .gltf (KHR_mesh_quantization).",
       {.without = "Floats in .glb and .gltf, for programs that do not know KHR_mesh_quantization."}},
      {"compress", finishing, all, of(&SaveOptions::compress),
       "Compress the mesh in .glb and .gltf, for programs that know the extension. meshopt: EXT_meshopt_compression. draco: "
       "KHR_draco_mesh_compression, the smallest."},
      {"lods", finishing, all, of(&SaveOptions::lods, 1, 8),
       "Levels of detail in .glb and .gltf, each with a quarter of the faces of the one before (MSFT_lod)."},
      {"max-bytes", finishing, all,
       bytes(&SaveOptions::max_bytes, 0, kTiB, 1,
             "a size such as 500k or 2m (k, m, g; bytes without), up to 1t; 0: as large as they are"),
       "Files with the mesh are at most that large: texture quality, texture size and faces go down until they are."},
      {"unlit", finishing, all, of(&SaveOptions::unlit), "Let viewers of .glb and .gltf show the colours without light."},
  };
}

std::vector<Option> picture_rows() {
  return {
      {"style", pictures, render, of(&ViewRequest::style),
       "How to draw. auto: textured, colour without a texture, clay without colours; splats where there is no mesh."},
      {"view",
       pictures,
       render,
       viewpoints(),
       "Where the camera stands; repeat it for several views. At a yaw of 180 it looks at the front, at 90 from +X, at a pitch "
       "of 90 from above.",
       {.fallback = in_words(Viewpoint{}.yaw) + "," + in_words(Viewpoint{}.pitch)}},
      {"fov", pictures, render, of(&ViewRequest::fov, 1.0, 120.0), "Field of view in degrees; the size of the asset stays."},
      {"distance",
       pictures,
       render,
       of(&ViewRequest::distance, 0.1, 100.0),
       "From the camera to the centre.",
       {.fallback = "what shows the whole asset"}},
      {"size",
       pictures,
       render,
       of(&Options::picture_size, 16, 4096),
       "Pixels on a side of a view.",
       {.fallback = usual_sizes()}},
      {"background",
       pictures,
       render,
       colour(),
       "What is behind the asset.",
       {.fallback = "transparent; black of an .mp4, white of a sheet"}},
      {"unlit", pictures, render, of(&ViewRequest::unlit), "Show textures and colours as they are, without light."},
      {"seconds", pictures, render, of(&Options::seconds, 0.1, 60.0), "Length of a turntable."},
      {"fps", pictures, render, of(&Options::frames_per_second, 1, 60), "Frames per second of a turntable."},
      {"sheet-views", pictures, render, of(&Options::sheet_views, 1, 64), "Views in a row of a sheet."},
      {"turntable-format",
       pictures,
       turntables,
       of(&TurntableOptions::format),
       "mp4 needs the program ffmpeg.",
       {.json = "turntable.format"}},
      {"turntable-style", pictures, turntables, of(&TurntableOptions::style), "How to draw.", {.json = "turntable.style"}},
      {"turntable-seconds",
       pictures,
       turntables,
       of(&TurntableOptions::seconds, 0.5, 30.0),
       "Length.",
       {.json = "turntable.seconds", .unit = "s"}},
      {"turntable-size",
       pictures,
       turntables,
       of(&TurntableOptions::size, 64, 1024),
       "Pixels on a side.",
       {.json = "turntable.size"}},
  };
}

std::vector<Option> sampling_rows() {
  constexpr unsigned all = sampled | use_jobs | environment;
  std::vector<Option> rows{
      {"region", sampling, edit, of(&EditRequest::region, "REGION", true),
       "The part to make anew: box:x0,y0,z0,x1,y1,z1 or sphere:x,y,z,r in the asset's coordinates (Z up, from -0.5 to 0.5), or "
       "voxels:FILE, a text file with x y z of a voxel, counted from 0, on each line."},
      {"rim", sampling, edit, of(&EditRequest::rim, 0, 16),
       "Voxels around the region whose details may change, so that the parts join. What is further away stays as it is."},
      {"resample", sampling, edit, of(&EditRequest::resample, 1, 100),
       "Times that every sampling step is made. More lets the new part follow its surroundings closer, and takes longer."},
      {"appearance-only", sampling, edit, of(&EditRequest::appearance_only), "Keep the structure; change details alone."},
      {"seed",
       sampling,
       all,
       of(&Options::seed, 0, 4294967295.0),
       "Seed of the noise; the same seed gives the same asset.",
       {.nullable = true}},
      {"seeds",
       sampling,
       generate,
       seed_list(),
       "Make one asset for each of these seeds, with the seed in the names of its files: -o chair.glb writes chair-1.glb and "
       "so "
       "on, unless {seed} says where it goes. --sheet shows all of them, to choose from.",
       {.fallback = "one asset, of --seed"}},
      {"preset", sampling, all, of(&Options::preset),
       "Where the values that follow come from when they are not given: the checkpoint's pipeline.json, or those of TRELLIS' "
       "public web app (12 steps, guidance 7.5 and 3)."},
      {"multi-image",
       sampling,
       all,
       of(&Options::multi_image),
       "How several images condition the sampling: one of them per step, or the mean of all.",
       {.old = {"multiimage-algo"}}},
  };
  const auto add = [&](SamplerRequest Options::*stage, const std::string& name, const std::string& old, const std::string& what,
                       unsigned uses) {
    const auto extras = [&](const char* json, const std::string& flag) {
      return OptionExtras{.fallback = of_the_preset, .json = name + "." + json, .old = {old + flag}};
    };
    rows.push_back({name + "-steps", sampling, uses, number_field(through(stage, &SamplerRequest::steps), 1, 1000, "N"),
                    "Sampling steps of the " + what + ".", extras("steps", "-sampling-steps")});
    rows.push_back({name + "-guidance", sampling, uses, number_field(through(stage, &SamplerRequest::guidance), 0, 100, "X"),
                    "Guidance strength of the " + what + ".", extras("guidance", "-guidance-strength")});
    rows.push_back({name + "-interval", sampling, uses, interval(stage), "Times between which the guidance acts.",
                    extras("interval", "-guidance-interval")});
    rows.push_back({name + "-rescale-t", sampling, uses,
                    number_field(through(stage, &SamplerRequest::rescale_t), 0.01, 100, "X"),
                    "Rescaling of the times of the " + what + ".", extras("rescale_t", "-rescale-t")});
  };
  add(&Options::structure, "structure", "ss", "sparse structure", all & ~vary);
  add(&Options::latent, "latent", "slat", "structured latent", all);
  return rows;
}

std::vector<Option> machine_rows() {
  return {
      {"in",
       files,
       use_convert,
       of(&Options::weights_in, "IN"),
       "Weights as torch.save wrote them (.pth, .pt, .bin), or a safetensors file.",
       {.positional = true}},
      {"out", files, use_convert, of(&Options::weights_out, "OUT"), "The file to write (.safetensors).", {.positional = true}},
      {"model",
       machine,
       opening | environment,
       of(&Options::model, "MODEL"),
       "Folder of a TRELLIS checkpoint (with pipeline.json), or the name of one that espalier pull has fetched, such as "
       "trellis-image-large.",
       {.fallback = shipped_model, .old = {"checkpoint"}}},
      {"model",
       machine,
       info | environment,
       of(&Options::model, "MODEL"),
       "Folder of a TRELLIS checkpoint (with pipeline.json), or the name of one that espalier pull has fetched, such as "
       "trellis-image-large.",
       {.fallback = shipped_model, .positional = true}},
      {"model",
       machine,
       use_jobs,
       of(&Options::model, "MODEL", true),
       "The name of one of the models of GET /v1/models; the first of them where none is named.",
       {.fallback = "the first"}},
      {"image-encoder",
       machine,
       opening | info | environment,
       of(&Options::image_encoder, "FILE"),
       "DINOv2 weights (the published .pth, or .safetensors).",
       {.fallback = "looked for beside the checkpoint, then in torch.hub's folder"}},
      {"text-encoder",
       machine,
       opening | info | environment,
       of(&Options::text_encoder, "FILE"),
       "CLIP weights of a text model (the published .safetensors or .bin).",
       {.fallback = "looked for in the checkpoint, then where espalier pull puts it"}},
      {"device", machine, opening | render | preprocess | use_bench | use_doctor | environment,
       matching(of(&Options::device, "NAME"), "auto, cpu, cuda or cuda:N", is_device), "Where to compute."},
      {"precision", machine, opening | use_bench | environment, of(&Options::precision),
       "full: float32. half: float16 on a GPU, bfloat16 products on processors that have them. auto: half on a GPU, full on "
       "the CPU."},
      {"vram-tier", machine, opening | environment, of(&Options::tier),
       "How many weights stay in memory: all (high), those of a stage (medium), those of a network, with tiled decoding (low). "
       "auto: by the memory that is free."},
      {"vram-limit",
       machine,
       opening | environment,
       bytes(&Options::vram_limit, kMiB, 1024 * kTiB, 1,
             "a size such as 8g or 512m (k, m, g, t; bytes without), from 1m to 1024t"),
       "GPU memory that weights and work together should stay within when auto chooses the tier.",
       {.fallback = "what is free"}},
  };
}

std::vector<Option> weights_rows() {
  return {
      {"name",
       weights,
       use_pull,
       of(&Options::model_names, "NAME"),
       "trellis-image-large, trellis-text-base, trellis-text-large, trellis-text-xlarge, isnet, u2net, birefnet, or OWNER/REPO "
       "or "
       "OWNER/REPO@REVISION of the hub (HF_ENDPOINT, HF_TOKEN).",
       {.positional = true}},
      {"name",
       weights,
       use_models,
       of(&Options::model_names, "NAME"),
       "Models to list file by file.",
       {.fallback = "all", .positional = true}},
      {"to",
       weights,
       use_pull,
       of(&ModelSettings::folder, "FOLDER"),
       "Put the files into this folder, for --model FOLDER.",
       {.fallback = "the caches that other programs share (HF_HUB_CACHE, HF_HOME, TORCH_HOME, U2NET_HOME)"}},
      {"bundle", weights, use_pull, of(&Options::bundle, "FILE"),
       "Then write the models into this one file, for a machine without a network."},
      {"from-bundle", weights, use_pull, of(&Options::from_bundle, "FILE"),
       "Take over what such a file holds; uses no network."},
      {"offline", weights, use_pull | environment, of(&ModelSettings::offline),
       "Use no network: only find and verify what is here. HF_HUB_OFFLINE=1 does the same."},
      {"verify", weights, use_pull, of(&ModelSettings::verify),
       "Also hash large files of the hub's cache, which were verified when they came; what is damaged is fetched again."},
      {"parallel", weights, use_pull | environment, of(&ModelSettings::parallel, 1, 16), "Files that are fetched at once."},
  };
}

std::vector<Option> server_rows() {
  constexpr unsigned all = serve | environment;
  return {
      {"host", server, all, of(&ServerOptions::host, "ADDRESS"),
       "Address to listen at. One that other machines can reach needs --api-key or --no-auth."},
      {"port", server, all, of(&ServerOptions::port, 0, 65535), "Port to listen at; 0: one that is free."},
      {"api-key",
       server,
       all,
       matching(of(&ServerOptions::api_key, "KEY"), "8 to 200 visible ASCII characters", is_key),
       "Ask every client for this key. Other users of this machine can see the command line, not the variable.",
       {.secret = true}},
      {"api-key-file", server, all, key_file(&ServerOptions::api_key),
       "Read the key from the first line of this file, which other users of this machine should not be able to read."},
      {"no-auth", server, serve, of(&ServerOptions::no_auth), "Let everybody in who can reach the address."},
      {"allow-origin", server, serve,
       matching(of(&ServerOptions::allowed_origins, "ORIGIN"), "http://HOST[:PORT] or https://HOST[:PORT]", is_origin),
       "Let the page of another server use this one; may be repeated."},
      {"data",
       server,
       all,
       of(&ServerOptions::data, "FOLDER"),
       "Folder of jobs and their files.",
       {.fallback = "$XDG_DATA_HOME/espalier, or ~/.local/share/espalier"}},
      {"data-home",
       server,
       sampled | preprocess | serve | batch | environment,
       of(&Options::data_home, "FOLDER"),
       "Where --data is by default.",
       {.variable = "XDG_DATA_HOME", .only_variable = true}},
      {"home",
       server,
       sampled | preprocess | serve | batch | environment,
       of(&Options::home, "FOLDER"),
       "Where --data is by default.",
       {.variable = "HOME", .only_variable = true}},
      {"rebuild", server, serve, of(&ServerOptions::rebuild),
       "Make the database of jobs again from the records in their folders; the old one is moved to lost/ in the folder of "
       "jobs."},
      {"keep-alive", server, all, of(&ServerOptions::keep_alive_minutes, 0.0, 525600.0, "MIN"),
       "Minutes without a job after which the weights leave memory; the next job loads them again."},
      {"max-queue", server, all, of(&ServerOptions::max_queue, 1, 100000), "Jobs that may wait; more are refused."},
      {"max-upload", server, all,
       bytes(&ServerOptions::max_upload_bytes, kMiB / 100, 64 * kGiB, kMiB,
             "a size in MiB, or with k, m or g, from 0.01 to 65536 MiB"),
       "What one request may bring."},
      {"max-voxels", server, all, of(&ServerOptions::max_voxels, 1, 262144),
       "Voxels that a latent which is sent may have; the memory of decoding grows with them."},
      {"keep-days", server, all, of(&ServerOptions::keep_days, 0.0, 36500.0, "DAYS"),
       "Days after which ended jobs are removed; 0: never."},
      {"keep-size", server, all,
       bytes(&ServerOptions::keep_bytes, 0, 1024 * kTiB, kGiB, "a size in GiB, or with k, m, g or t, from 0 to 1048576 GiB"),
       "Files of all jobs, above which the oldest that ended are removed; 0: no limit."},
      {"log", server, all, of(&ServerOptions::log),
       "json: a line of JSON on standard error for each job that starts or ends, and for warnings."},
      {"client-timeout", server, all, of(&ServerOptions::client_seconds, 0.1, 3600.0, "S"),
       "Seconds that a client may take for its headers, and for a body or a download beyond what 8 KiB/s take."},
  };
}

std::vector<Option> batch_rows() {
  return {
      {"list",
       files,
       batch,
       of(&BatchOptions::list, "LIST"),
       "A folder of images (PNG, JPEG, WebP), each of which becomes an asset, or a .csv file with the columns image, name and "
       "seed, of which the first is needed; several images of one object are separated by semicolons.",
       {.positional = true}},
      {"out", files, batch, of(&BatchOptions::out, "FOLDER"),
       "Folder of the results and of manifest.jsonl, made if it is missing. What is whole there is not made again."},
      {"retry", files, batch, of(&BatchOptions::retry), "Do again what failed in an earlier run."},
      {"server",
       server,
       batch | environment,
       of(&BatchOptions::server, "URL"),
       "Let this server do the work, such as http://127.0.0.1:7860.",
       {.fallback = "this process does it"}},
      {"api-key",
       server,
       batch | environment,
       matching(of(&BatchOptions::api_key, "KEY"), "8 to 200 visible ASCII characters", is_key),
       "What the server asks for. Other users of this machine can see the command line, not the variable.",
       {.secret = true}},
      {"api-key-file", server, batch | environment, key_file(&BatchOptions::api_key),
       "Read that key from the first line of this file."},
      {"in-flight", server, batch | environment, of(&BatchOptions::in_flight, 1, 64), "Jobs that the server has at once."},
  };
}

std::vector<Option> report_rows() {
  return {
      {"shell", reports, use_completion, of(&Options::shell), "The shell that completes.", {.positional = true}},
      {"voxels", reports, use_bench, voxel_set(), "The coordinate set of docs/performance.md to time."},
      {"repetitions", reports, use_bench, of(&Options::repetitions, 1, 1000), "Timed runs of each stage; the median counts."},
      {"quick", reports, use_bench, of(&Options::quick), "One small repetition, to see that it runs."},
      {"json", reports, made | render | check | use_convert | info | use_bench | use_doctor | use_pull | use_models | batch,
       of(&Options::json), "Print the report as JSON on standard output."},
      {"progress", reports, made | render | batch | environment, of(&Options::progress),
       "How progress is reported on standard error. auto: a bar on a terminal, lines elsewhere. json: one JSON object a line, "
       "for programs."},
      {"quiet", reports, made | render | use_bench | use_pull | batch | environment, of(&Options::quiet),
       "No progress and no report; warnings and errors only."},
      {"strict", reports, exporting | render | check, of(&Options::strict),
       "Refuse a file of another program of which something would be left out, such as a texture that is not there or "
       "Gaussians "
       "whose values are not finite."},
  };
}

}  // namespace espalier
