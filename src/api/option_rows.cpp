// The option table: one row for each option. include/espalier/options.h says how to add one.
#include "api/option_rows.h"

#include "api/option_row_parts.h"
#include "bake/limits.h"
#include "samplers/limits.h"

namespace espalier {

using namespace rows;

namespace {

bool is_priority(const std::string& text) { return text.empty() || text == "high" || text == "normal"; }

// ---- Fields that no template knows

// On with any text, as https://no-color.org has it.
OptionField flag_variable() {
  OptionField field = of(&Options::no_color);
  field.type = OptionType::text;
  field.meta = "TEXT";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> { return !text.empty(); };
  return field;
}

bool is_device(const std::string& text) {
  const std::string prefix = "cuda:";
  const bool numbered = text.starts_with(prefix) && parsed_number<unsigned short>(text.substr(prefix.size())).has_value();
  return numbered || text == "auto" || text == "cpu" || text == "cuda";
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

OptionField maps() {
  const auto to = [](const TextureMaps& maps) {
    std::vector<std::string> words;
    if (maps.normal) words.emplace_back(kMaps[1]);
    if (maps.occlusion) words.emplace_back(kMaps[2]);
    if (words.empty()) words.emplace_back(kMaps[0]);
    return words;
  };
  const auto from = [](const std::vector<std::string>& words) -> std::optional<TextureMaps> {
    const auto on = [&](std::size_t i) { return std::find(words.begin(), words.end(), kMaps.at(i)) != words.end(); };
    if (on(0) && (on(1) || on(2))) return std::nullopt;
    return TextureMaps{.normal = on(1), .occlusion = on(2)};
  };
  OptionField field = choices_field(access(&FinishRequest::maps), list_of(kMaps), to, from);
  field.accept = "none, or some of normal, ao, separated by commas";
  return field;
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

OptionField batch_list() {
  OptionField field{.type = OptionType::numbers, .low = 1.0, .high = kMostInABatch, .most = 8, .meta = "N,..."};
  field.accept = "up to 8 whole numbers from 1 to 32, such as 1,2,4";
  field.parse = [](const std::string& text) -> std::optional<OptionValue> {
    std::vector<double> sizes;
    for (const std::string& word : split_at_commas(text)) {
      const auto size = parsed_number<int>(word);
      if (!size) return std::nullopt;
      sizes.push_back(*size);
    }
    return sizes;
  };
  return field_of(
      field, access(&Options::batches),
      [](const std::vector<int>& sizes) { return std::vector<double>(sizes.begin(), sizes.end()); },
      [most = field.most](const OptionValue& value) -> std::optional<std::vector<int>> {
        const auto* const numbers = std::get_if<std::vector<double>>(&value);
        if (numbers == nullptr || numbers->size() > most) return std::nullopt;
        std::vector<int> sizes;
        for (const double n : *numbers) {
          if (!(n >= 1.0 && n <= kMostInABatch)) return std::nullopt;
          sizes.push_back(static_cast<int>(n));
        }
        return sizes;
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

// What commands read.
std::vector<Option> input_rows() {
  return {
      {"image",
       files,
       generate,
       of(&Options::images, "IMAGE"),
       "Images (PNG, JPEG, WebP, AVIF, HEIC, TIFF, BMP, GIF); - is standard input. Each image becomes an asset; with --views "
       "they are views of one object.",
       {.positional = true}},
      {"image",
       files,
       preprocess,
       of(&Options::images, "IMAGE"),
       "The image (PNG, JPEG, WebP, AVIF, HEIC, TIFF, BMP, GIF); - is standard input.",
       {.positional = true}},
      {"views", files, generate | use_jobs, of(&Options::views_of_one),
       "Treat the images as views of one object and make one asset from them."},
      {"out-dir", files, generate, of(&Options::out_dir, "FOLDER"),
       "Folder for outputs given without one; created if missing. Without -o, a .glb is written for each image."},
      {"input",
       files,
       vary,
       of(&Options::inputs, "MESH"),
       "The mesh that gives the shape (.glb, .gltf, .obj, .stl, .ply, .3mf, or a .zip with one of them).",
       {.positional = true}},
      {"input",
       files,
       edit,
       of(&Options::inputs, "ASSET"),
       "The asset, as --save-asset wrote it (.safetensors).",
       {.positional = true}},
      {"image", files, vary | edit, of(&Options::images, "IMAGE"),
       "Image of what the shape, or the part, should look like, for an image model; repeat for several views."},
      {"prompt", files, sampled | use_jobs, of(&Options::prompt, "TEXT", true),
       "Describe what to make, instead of giving images. Needs a text model: sprout-text, which ships with the program and is "
       "taken by the command line where none is named, or trellis-text-base after espalier pull trellis-text-base."},
      {"negative-prompt", files, sampled | use_jobs, of(&Options::negative_prompt, "TEXT", true), "What to steer away from."},
      {"prompts", files, generate, of(&Options::prompts, "FILE"),
       "Make one asset for each prompt in this file: one per line, or a .csv with the columns name, prompt and, optionally, "
       "seed. - is standard input. Give -o a folder, which gets NAME.glb, or a name with {name} in it, as in -o "
       "out/{name}.ply."},
      {"input",
       files,
       plan,
       of(&Options::inputs, "FILE"),
       "Images of one object, or a saved latent (.safetensors), whose voxels count; without one an object of --voxels.",
       {.fallback = "one image", .positional = true}},
      {"input",
       files,
       exporting,
       of(&Options::inputs, "FILE"),
       "What --save-asset or --save-latent wrote, a mesh (.glb, .gltf, .obj, .stl, .ply, .3mf, .zip), which is converted as it "
       "is unless simplify, faces, texture-size, maps, delight or watertight asks for more, or Gaussians (.ply, "
       ".compressed.ply, .spz, .splat, .ksplat, .sog, .splats.glb).",
       {.positional = true}},
      {"input",
       files,
       render,
       of(&Options::inputs, "FILE"),
       "What --save-asset wrote, a mesh (.glb, .gltf, .obj, .stl, .ply, .3mf, .zip) or Gaussians (.ply, .compressed.ply, .spz, "
       ".splat, .ksplat, .sog, .splats.glb).",
       {.positional = true}},
      {"input",
       files,
       check,
       of(&Options::inputs, "FILE"),
       "Meshes (.glb, .gltf, .obj, .stl, .ply, .3mf, .zip), Gaussians (.ply, .compressed.ply, .spz, .splat, .ksplat, .sog, "
       ".splats.glb) and what --save-asset wrote. .usdz and .fbx are written, not read. One file that cannot be read does not "
       "stop the others.",
       {.positional = true}},
  };
}

// Where an asset stands in its files.
std::vector<Option> place_rows() {
  return {
      {"origin", files, made | jobs | environment, of(&SaveOptions::origin),
       "Which point of the asset lies at the origin of every file. bottom: the middle of the bottom of its bounding box, so "
       "that the asset stands on the floor. centre: the middle of the box. source: TRELLIS' own frame. auto: bottom, but "
       "source with raw-mesh and keep-mesh and for files of other programs."},
      {"height",
       files,
       made | jobs | environment,
       height(),
       "Real height; every file is scaled to it, an .stl or .3mf too, instead of to --size.",
       {.fallback = "1 m for the side of the unit cube", .json = "height_m", .unit = "m"}},
      {"up", files, made | jobs | environment, of(&SaveOptions::up),
       "Axis that points up in .obj, .stl, .mesh.ply, .ply, .compressed.ply and .splat; the other formats define it "
       "themselves. auto: y in .obj, z in .stl and .mesh.ply, -y in .ply, .compressed.ply and .splat."},
  };
}

}  // namespace

std::vector<Option> file_rows() {
  std::vector<Option> rows = input_rows();
  const std::vector<Option> others{
      {"output",
       files,
       made,
       of(&Options::outputs, "FILE"),
       "A file to write; repeat for several. {name} stands for the name of the image. - is standard output as a .glb; -.ply "
       "and the like choose another format. .glb, .gltf, .gltf.zip, .obj, .obj.zip, .3mf, .stl, .usdz, .fbx and .mesh.ply hold "
       "the mesh; .ply, .compressed.ply, .splats.glb, .spz and .splat hold the Gaussians.",
       {.letter = "o"}},
      {"output",
       files,
       preprocess,
       of(&Options::outputs, "FILE"),
       "The .png to write: the object, cropped and centred at the size the image encoder takes, before a transparent "
       "background. - is standard output.",
       {.letter = "o"}},
      {"output",
       files,
       render,
       of(&Options::outputs, "FILE"),
       "A file to draw; repeat for several. .png: the views that --view asks for, side by side. .mp4 or .webp: a turntable "
       "that starts at the first of them; .mp4 needs the program ffmpeg. - is standard output as a .png, -.webp as a "
       "turntable.",
       {.letter = "o"}},
      {"decode",
       files,
       made | plan | environment,
       decoded(),
       "Representations to decode.",
       {.fallback = "what the output files need", .old = {"formats"}}},
      {"formats", files, jobs | batch, file_formats(),
       "Files to write. mesh.ply holds the mesh; ply, compressed.ply, splats.glb, spz and splat hold the Gaussians."},
      {"preview", files, made, of(&Options::preview, "FILE"), "Also draw four views into this .png file."},
      {"turntable", files, made | render, of(&Options::turntable, "FILE"),
       "Also draw a full turn of the asset into this .mp4 (needs the program ffmpeg) or .webp file."},
      {"sheet", files, made | render, of(&Options::sheet, "FILE"),
       "Also draw four views in every style that applies into this .png file."},
      {"size",
       files,
       made | jobs | environment,
       length(&SaveOptions::size_mm, 0.1, "0.1mm to 10000mm, in mm, cm or m"),
       "Largest dimension of an .stl or .3mf, and the size at which the millimetres of min-wall and flat-base hold. With a "
       "height, that counts instead.",
       {.json = "size_mm", .unit = "mm"}},
      {"save-latent", files, sampled, of(&Options::save_latent, "FILE"),
       "Also save what was sampled, for --from-latent (.safetensors)."},
      {"save-asset", files, made, of(&Options::save_asset, "FILE"),
       "Also save everything that was decoded, for espalier export (.safetensors)."},
      {"from-latent", files, generate, of(&Options::from_latent, "FILE"),
       "Decode what --save-latent wrote instead of sampling; takes no images."},
      {"keep-structure", files, generate, of(&Options::keep_structure, "ASSET"),
       "Keep the voxels of this asset, as --save-asset wrote it, and sample only the details."},
  };
  rows.insert(rows.end(), others.begin(), others.end());
  return rows;
}

std::vector<Option> foreground_rows() {
  std::vector<Option> rows{
      {"background", files, sampled | preprocess | use_jobs | environment, backgrounds(),
       "How the object is separated from its background. auto: by the alpha channel if there is one, else by a network if its "
       "weights are found, else as plain. alpha: by the alpha channel; an image without one is refused. none: the image is "
       "used as it is. plain: a plain background is removed without a network. network: by the network, ignoring the alpha "
       "channel."},
      {"mask",
       files,
       generate | preprocess,
       of(&Options::masks, "FILE"),
       "Mask of the image, white or opaque where the object is, instead of background removal; repeat for several images.",
       {.fallback = "none"}},
      {"background-network",
       files,
       sampled | preprocess | serve | batch | mcp | worker | environment,
       of(&Options::background_network, "NAME"),
       "Network that removes backgrounds: isnet or u2net (espalier pull fetches them), u2netp, or an .onnx file of U2-Net or "
       "IS-Net in rembg's form.",
       {.fallback = "the first that is found"}},
      {"networks",
       files,
       sampled | preprocess | serve | batch | mcp | worker | environment,
       of(&Options::networks, "FOLDER"),
       "Folder with these networks, under rembg's names: isnet-general-use.onnx, u2net.onnx, u2netp.onnx.",
       {.fallback = "$XDG_DATA_HOME/.u2net, ~/.u2net, espalier's data folder", .variable = "U2NET_HOME"}},
      {"no-preprocess", files, sampled | preprocess | environment, of(&Options::no_preprocess),
       "Use the images as they are: no background removal, no cropping."},
      {"name", files, jobs, of(&Options::name, "TEXT", true), "Name shown in lists; by default that of the first image."},
      {"webhook", files, jobs, of(&Options::webhook, "URL", true),
       "Address that is sent a signed message when the job has ended, on a host that the server's --webhook-host names."},
      {"priority", files, jobs, matching(of(&Options::priority, "high|normal", true), "high or normal", is_priority),
       "Of a server with a fleet (--queue): jobs of high priority begin before all others. Takes a key with the scope admin, "
       "where "
       "people have keys."},
  };
  const std::vector<Option> places = place_rows();
  rows.insert(rows.end(), places.begin(), places.end());
  return rows;
}

namespace {

// How the finished mesh becomes a file.
std::vector<Option> writing_rows() {
  constexpr unsigned all = made | jobs | environment;
  return {
      {"texture-format", finishing, all, of(&SaveOptions::texture),
       "Format of the texture in .glb, .gltf, .obj, .3mf, .usdz and .fbx. auto: jpeg in .glb and .gltf, webp with compress, "
       "png elsewhere; a texture that comes from a file keeps its format, byte for byte. Not every .glb viewer reads webp; the "
       "other formats get a png instead."},
      {"spz-version", finishing, made | environment, of(&SaveOptions::spz_version, 2, 4),
       "Version of .spz files; 3 and 2 are for older readers."},
      {"quantise",
       finishing,
       all,
       of(&SaveOptions::quantise),
       "Use 16-bit and 8-bit numbers in .glb and .gltf (KHR_mesh_quantization).",
       {.without = "Use floats in .glb and .gltf, for programs without KHR_mesh_quantization."}},
      {"compress", finishing, all, of(&SaveOptions::compress),
       "Compress the mesh in .glb and .gltf, for programs that support the extension. meshopt: EXT_meshopt_compression. draco: "
       "KHR_draco_mesh_compression, the smallest."},
      {"lods", finishing, all, of(&SaveOptions::lods, 1, 8),
       "Number of levels of detail in .glb and .gltf, each with a quarter of the faces of the previous one (MSFT_lod)."},
      {"max-bytes", finishing, all,
       bytes(&SaveOptions::max_bytes, 0, kTiB, 1, "a size such as 500k or 2m (k, m, g; bytes without), up to 1t; 0: no limit"),
       "Maximum size of files with the mesh; texture quality, texture size and faces are reduced until they fit."},
      {"unlit", finishing, all, of(&SaveOptions::unlit), "Make .glb and .gltf viewers show the colours without lighting."},
  };
}

}  // namespace

std::vector<Option> finishing_rows() {
  constexpr unsigned all = made | jobs | environment;
  std::vector<Option> rows{
      {"surface", finishing, (made & ~edit) | use_jobs | environment, of(&Options::surface),
       "How the mesh is extracted. solid: the voxels are taken as the shell of a solid, so there are no interior faces and "
       "gaps are closed. reference: as TRELLIS does it. auto: solid, but reference with raw-mesh. A saved asset keeps the rule "
       "it was decoded with."},
      {"raw-mesh", finishing, all, of(&Options::raw_mesh),
       "Write the mesh as decoded, with vertex colours: no clean-up, no simplification, no texture."},
      {"clean",
       finishing,
       all,
       of(&FinishRequest::clean),
       "Remove interior faces and small pieces, and fill holes.",
       {.without = "Keep interior faces, small pieces and holes."}},
      {"fill-holes",
       finishing,
       all,
       of(&FinishRequest::fill_holes),
       "Fill holes during clean-up.",
       {.without = "Leave holes open."}},
      {"simplify", finishing, all, of(&FinishRequest::simplify, 0.0, 0.9999),
       "Fraction of the faces to remove. A mesh of another program keeps all unless this or faces is given."},
      {"faces", finishing, all, of(&FinishRequest::faces, 4, 100'000'000), "Maximum number of faces, instead of simplify."},
      {"watertight", finishing, all, of(&FinishRequest::watertight),
       "For 3D printing: guarantee that the mesh is closed and that no face passes through another."},
      {"min-wall",
       finishing,
       all,
       length(&FinishRequest::min_wall_mm, 0.0, "0 to 10000mm, in mm or cm"),
       "With watertight: thicken thinner walls to this, measured in the finished file (see size and height).",
       {.json = "min_wall_mm", .unit = "mm"}},
      {"flat-base",
       finishing,
       all,
       length(&FinishRequest::flat_base_mm, 0.0, "0 to 10000mm, in mm or cm"),
       "With watertight: cut this much off the bottom so that the object stands flat, measured in the finished file.",
       {.json = "flat_base_mm", .unit = "mm"}},
      {"texture",
       finishing,
       all,
       of(&FinishRequest::texture),
       "Unwrap the mesh and bake a texture; otherwise use vertex colours.",
       {.without = "Use vertex colours instead of a texture."}},
      {"texture-size", finishing, all, of(&FinishRequest::texture_size, 512, 4096),
       "Width and height of the texture in texels."},
      {"bake", finishing, all, of(&FinishRequest::bake),
       "How the texture is baked. fast: average of the views that see a texel. best: solve for the texture that reproduces the "
       "views."},
      {"bake-from", finishing, made | environment, choice_field(access(&FinishRequest::bake_radiance_field), kBakeSources),
       "What the texture is baked from. The radiance field takes longer; export needs an asset saved with it, or a latent."},
      {"bake-views", finishing, made | environment, of(&FinishRequest::views, 1, baking::kMostViews),
       "Number of views to bake from."},
      {"bake-view-size", finishing, made | environment,
       of(&FinishRequest::view_size, baking::kLeastViewSize, baking::kMostViewSize),
       "Width and height of these views in pixels."},
      {"project-image", finishing, all & ~edit, of(&FinishRequest::project_image),
       "Blend all input images into the texels they show. An image that does not match the object well enough is skipped, with "
       "a notice."},
      {"maps", finishing, all, maps(),
       "Images to bake beside the texture. normal: normals of the decoded surface in tangent space (.glb, .gltf, .obj, .usdz, "
       ".fbx), so that a mesh of few faces looks as detailed. ao: ambient occlusion (.glb, .gltf, .usdz)."},
      {"delight", finishing, all, of(&FinishRequest::delight, 0.0, 1.0),
       "How much of the light that the texture's colours contain is estimated and divided out: 0 for none, 1 for all."},
      {"keep-mesh", finishing, vary | use_jobs, of(&Options::keep_mesh),
       "Bake the texture onto the given mesh, which keeps its faces, position and size."},
      {"keep-uvs", finishing, vary | use_jobs, of(&Options::keep_uvs), "With --keep-mesh: keep its texture coordinates too."},
  };
  const std::vector<Option> writing = writing_rows();
  rows.insert(rows.end(), writing.begin(), writing.end());
  return rows;
}

std::vector<Option> view_rows() {
  return {
      {"style", views, render, of(&ViewRequest::style),
       "How to draw. auto: textured; without a texture colour, without colours clay, without a mesh splats."},
      {"view",
       views,
       render,
       viewpoints(),
       "Camera position; repeat for several views. A yaw of 180 looks at the front, 90 looks from +X, a pitch of 90 looks from "
       "above.",
       {.fallback = in_words(Viewpoint{}.yaw) + "," + in_words(Viewpoint{}.pitch)}},
      {"fov", views, render, of(&ViewRequest::fov, 1.0, 120.0),
       "Field of view in degrees; the camera moves so that the asset keeps its size."},
      {"distance",
       views,
       render,
       of(&ViewRequest::distance, 0.1, 100.0),
       "Distance from the camera to the centre.",
       {.fallback = "far enough to show the whole asset"}},
      {"size",
       views,
       render,
       of(&Options::render_size, 16, 4096),
       "Width and height of a view in pixels.",
       {.fallback = usual_sizes()}},
      {"background",
       views,
       render,
       colour(),
       "Background colour.",
       {.fallback = "transparent; black for .mp4, white for a sheet"}},
      {"unlit", views, render, of(&ViewRequest::unlit), "Show textures and colours without lighting."},
      {"seconds", views, render, of(&Options::seconds, 0.1, 60.0), "Length of a turntable in seconds."},
      {"fps", views, render, of(&Options::frames_per_second, 1, 60), "Frames per second of a turntable."},
      {"sheet-views", views, render, of(&Options::sheet_views, 1, 64), "Views in each row of a sheet."},
      {"turntable-format",
       views,
       turntables,
       of(&TurntableOptions::format),
       "mp4 needs the program ffmpeg.",
       {.json = "turntable.format"}},
      {"turntable-style", views, turntables, of(&TurntableOptions::style), "How to draw.", {.json = "turntable.style"}},
      {"turntable-seconds",
       views,
       turntables,
       of(&TurntableOptions::seconds, 0.5, 30.0),
       "Length of the video.",
       {.json = "turntable.seconds", .unit = "s"}},
      {"turntable-size",
       views,
       turntables,
       of(&TurntableOptions::size, 64, 1024),
       "Width and height in pixels.",
       {.json = "turntable.size"}},
  };
}

std::vector<Option> sampling_rows() {
  constexpr unsigned all = sampled | use_jobs | environment, measured = plan | use_bench;
  std::vector<Option> rows{
      {"region", sampling, edit | use_jobs, of(&EditRequest::region, "REGION", true),
       "The part to make anew: box:x0,y0,z0,x1,y1,z1 or sphere:x,y,z,r in the asset's coordinates (Z up, from -0.5 to 0.5), or "
       "voxels:FILE, a text file with x y z of a voxel, counted from 0, on each line (of a job: its part voxels)."},
      {"rim", sampling, edit | use_jobs, of(&EditRequest::rim, 0, 16),
       "Voxels around the region whose details may change, so that the parts join. What is further away stays as it is."},
      {"resample", sampling, edit | use_jobs, of(&EditRequest::resample, 1, 100),
       "Times that every sampling step is made. More lets the new part follow its surroundings closer, and takes longer."},
      {"appearance-only", sampling, edit | use_jobs, of(&EditRequest::appearance_only),
       "Keep the structure; change only the details."},
      {"seed",
       sampling,
       all,
       of(&Options::seed, 0, 4294967295.0),
       "Random seed; the same seed gives the same asset.",
       {.nullable = true}},
      {"seeds",
       sampling,
       generate,
       seed_list(),
       "Make one asset for each of these seeds, with the seed in the names of its files: -o chair.glb writes chair-1.glb and "
       "so "
       "on, unless {seed} says where it goes. --sheet shows all of them, to choose from.",
       {.fallback = "one asset, of --seed"}},
      {"preset", sampling, all | measured, of(&Options::preset),
       "Source of the sampling settings below when they are not given: the checkpoint's pipeline.json; TRELLIS' public web app "
       "(12 steps, guidance 7.5 and 3); or fast, the checkpoint's with fewer evaluations of the flows: 5 steps where "
       "it makes more, and the negative condition in every second guided one. Where images take turns, or with --resample, it "
       "only reduces the number of steps."},
      {"multi-image",
       sampling,
       all,
       of(&Options::multi_image),
       "How several views condition the sampling. stochastic: one of them per step. multidiffusion: the mean of all.",
       {.old = {"multiimage-algo"}}},
  };
  const auto add = [&](SamplerRequest Options::*stage, const std::string& name, const std::string& old, const std::string& what,
                       unsigned uses) {
    const auto extras = [&](const char* json, const std::string& flag) {
      return OptionExtras{.fallback = of_the_preset, .json = name + "." + json, .old = {old + flag}};
    };
    rows.push_back({name + "-steps", sampling, uses,
                    number_field(through(stage, &SamplerRequest::steps), 1, kMostSamplingSteps, "N"),
                    "Sampling steps for the " + what + ".", extras("steps", "-sampling-steps")});
    rows.push_back({name + "-guidance", sampling, uses,
                    number_field(through(stage, &SamplerRequest::guidance), 0, kMostGuidance, "X"),
                    "Guidance strength for the " + what + ".", extras("guidance", "-guidance-strength")});
    rows.push_back({name + "-interval", sampling, uses, interval(stage), "Times between which guidance is applied.",
                    extras("interval", "-guidance-interval")});
    rows.push_back({name + "-rescale-t", sampling, uses,
                    number_field(through(stage, &SamplerRequest::rescale_t), kLeastRescale, kMostRescale, "X"),
                    "Rescaling of the sampling times for the " + what + ".", extras("rescale_t", "-rescale-t")});
    const auto reusing = [&](const char* json) { return OptionExtras{.fallback = of_the_preset, .json = name + "." + json}; };
    rows.push_back(
        {name + "-solver", sampling, uses, choice_field(through(stage, &SamplerRequest::solver), kNames<Solver>),
         "How a step follows from the flow's velocities. euler: from that at its beginning. multistep: from the last "
         "ones (Adams-Bashforth), so that fewer steps do.",
         reusing("solver")});
    rows.push_back({name + "-reuse", sampling, uses,
                    number_field(through(stage, &SamplerRequest::reuse), 1, kMostSamplingSteps, "N"),
                    "Evaluate the flow in every Nth step only; in the others its velocity is extrapolated from the last ones.",
                    reusing("reuse")});
    rows.push_back(
        {name + "-reuse-order", sampling, uses,
         number_field(through(stage, &SamplerRequest::reuse_order), 0, kMostReuseOrder, "N"),
         "Degree of the polynomial in time that velocities are extrapolated by, for the solver multistep too. 0: the "
         "last velocity is taken again.",
         reusing("reuse_order")});
    rows.push_back({name + "-guidance-reuse", sampling, uses,
                    number_field(through(stage, &SamplerRequest::guidance_reuse), 1, kMostSamplingSteps, "N"),
                    "Evaluate the negative condition in every Nth guided step only; in the others the difference that guidance "
                    "adds is extrapolated.",
                    reusing("guidance_reuse")});
  };
  add(&Options::structure, "structure", "ss", "sparse structure", (all & ~vary) | measured);
  add(&Options::latent, "latent", "slat", "structured latent", all | measured);
  return rows;
}

std::vector<Option> machine_rows() {
  return {
      {"config",
       machine,
       configured | environment,
       of(&Options::config, "FILE"),
       "Configuration file (TOML): options by their names without dashes, for every command that has them, or for one command "
       "in a "
       "table of its name, as in [generate]. Flags and variables take precedence.",
       {.fallback = "espalier/config.toml in $XDG_CONFIG_HOME or ~/.config, if there is one"}},
      {"config-home",
       machine,
       configured | environment,
       of(&Options::config_home, "FOLDER"),
       "Where the configuration file is by default.",
       {.variable = "XDG_CONFIG_HOME", .only_variable = true}},
      {"no-color",
       machine,
       configured | environment,
       flag_variable(),
       "Set to anything: no colours on a terminal.",
       {.fallback = "colours", .variable = "NO_COLOR", .only_variable = true}},
      {"model",
       machine,
       opening | environment,
       of(&Options::model, "MODEL"),
       "Folder of a TRELLIS checkpoint (with pipeline.json), or the name of one that espalier pull has fetched, such as "
       "trellis-image-large; sprout is the one that ships with the program.",
       {.fallback = shipped_model, .old = {"checkpoint"}}},
      {"model",
       machine,
       info | environment,
       of(&Options::model, "MODEL"),
       "Folder of a TRELLIS checkpoint (with pipeline.json), or the name of one that espalier pull has fetched, such as "
       "trellis-image-large; sprout is the one that ships with the program.",
       {.fallback = shipped_model, .positional = true}},
      {"model",
       machine,
       use_jobs,
       of(&Options::model, "MODEL", true),
       "Name of one of the models that GET /v1/models lists.",
       {.fallback = "the first"}},
      {"image-encoder",
       machine,
       opening | info | environment,
       of(&Options::image_encoder, "FILE"),
       "DINOv2 weights (the published .pth, or .safetensors).",
       {.fallback = "searched for beside the checkpoint, then in torch.hub's folder"}},
      {"text-encoder",
       machine,
       opening | info | environment,
       of(&Options::text_encoder, "FILE"),
       "CLIP weights of a text model (the published .safetensors or .bin).",
       {.fallback = "searched for in the checkpoint, then where espalier pull puts it"}},
      {"device", machine, opening | render | preprocess | use_bench | use_doctor | environment,
       matching(of(&Options::device, "NAME"), "auto, cpu, cuda or cuda:N", is_device), "Device to compute on."},
      {"precision", machine, opening | use_bench | environment, of(&Options::precision),
       "Numerical precision. full: float32. half: float16 on a GPU, bfloat16 products on CPUs that have them. int8: as half, "
       "with "
       "the matrices of transformer blocks in 8 bits, for less memory. fp8: as half, with large products of transformer blocks "
       "in float8, for speed; GPUs of compute capability 8.9 and newer. auto: half on a GPU, full on the CPU."},
      {"vram-tier", machine, opening | environment, of(&Options::tier),
       "How many weights stay in memory. high: all. medium: those of one stage. low: those of one network, with tiled "
       "decoding. auto: as many as free memory allows."},
      {"vram-limit",
       machine,
       opening | environment,
       bytes(&Options::vram_limit, kMiB, 1024 * kTiB, 1,
             "a size such as 8g or 512m (k, m, g, t; bytes without), from 1m to 1024t"),
       "GPU memory that weights and working memory together stay within: auto chooses the tier by it, and a stage that needs "
       "more is refused.",
       {.fallback = "what is free"}},
  };
}

std::vector<Option> weights_rows() {
  return {
      {"in",
       files,
       use_convert,
       of(&Options::weights_in, "IN"),
       "Weights written by torch.save (.pth, .pt, .bin), or a safetensors file.",
       {.positional = true}},
      {"out", files, use_convert, of(&Options::weights_out, "OUT"), "The file to write (.safetensors).", {.positional = true}},
      {"int8", files, use_convert, of(&Options::int8),
       "Store matrices of transformer blocks in 8 bits with a scale for each row: about half the size of float16. Every "
       "precision reads such files."},
      {"name",
       weights,
       use_pull,
       of(&Options::model_names, "NAME"),
       "trellis-image-large, trellis-text-base, trellis-text-large, trellis-text-xlarge, isnet, u2net, birefnet, or OWNER/REPO "
       "or OWNER/REPO@REVISION of the hub (HF_ENDPOINT, HF_TOKEN).",
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
       "Then write the models into this single file, for a machine without a network connection."},
      {"from-bundle", weights, use_pull, of(&Options::from_bundle, "FILE"),
       "Import the models from such a file; needs no network connection."},
      {"offline", weights, use_pull | environment, of(&ModelSettings::offline),
       "Stay offline: only find and verify what is already here. HF_HUB_OFFLINE=1 does the same."},
      {"verify", weights, use_pull, of(&ModelSettings::verify),
       "Also hash large files of the hub's cache, which were verified when they were downloaded; damaged files are fetched "
       "again."},
      {"parallel", weights, use_pull | environment, of(&ModelSettings::parallel, 1, 16),
       "Number of files to fetch in parallel."},
  };
}

std::vector<Option> report_rows() {
  return {
      {"shell", reports, use_completion, of(&Options::shell), "The shell to write the script for.", {.positional = true}},
      {"voxels", reports, use_bench | plan, voxel_set(),
       "Coordinate set of docs/performance.md: 12k is a usual object, 24k a large or intricate one."},
      {"repetitions", reports, use_bench, of(&Options::repetitions, 1, 1000),
       "Timed runs of each stage; the median is reported."},
      {"batch",
       reports,
       use_bench,
       batch_list(),
       "Time whole assets instead of stages, so many of them sampled together, for each of these numbers.",
       {.fallback = "none"}},
      {"quick", reports, use_bench, of(&Options::quick), "One small repetition, to check that it runs."},
      {"json", reports,
       made | render | check | use_convert | info | use_bench | use_doctor | use_pull | use_models | batch | plan,
       of(&Options::json), "Print the report as JSON on standard output."},
      {"progress", reports, made | render | batch | environment, of(&Options::progress),
       "How progress is reported on standard error. auto: a bar on a terminal, lines elsewhere. json: one JSON object per "
       "line, for programs."},
      {"quiet", reports, made | render | use_bench | use_pull | batch | environment, of(&Options::quiet),
       "No progress and no report; only warnings and errors."},
      {"print", reports, check, of(&Options::print_ready),
       "Also require what a 3D print needs: a closed mesh whose faces all look outwards and do not pass through each other. "
       "Exit "
       "code 1 where that is not so."},
      {"min-wall", reports, check, length(&FinishRequest::min_wall_mm, 0.0, "0 to 10000mm, in mm or cm"),
       "With --print: require walls of this thickness, in units of the file (of an .stl or .3mf: millimetres). 1 % of the area "
       "may "
       "be thinner, as every edge is."},
      {"strict", reports, exporting | render | check, of(&Options::strict),
       "Refuse a file of another program if any of it would be left out, such as a missing texture or Gaussians with "
       "non-finite values."},
  };
}

}  // namespace espalier
