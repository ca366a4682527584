// A program of somebody else that uses the installed library, every function of the C++ interface: consumer CHECKPOINT IMAGE
// FOLDER. check_interface.py finds what it leaves out.
#include <espalier/checkpoint.h>
#include <espalier/diagnostics.h>
#include <espalier/espalier.h>
#include <espalier/images.h>
#include <espalier/models.h>
#include <espalier/option_rules.h>
#include <espalier/options.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace espalier;

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "not so: %s\n", what);
}

// The error that `body` throws across the border of the library; message and hint make up the line.
template <class Body>
bool throws(ErrorCode code, Body body) {
  try {
    body();
  } catch (const Error& error) {
    const Error copy = error;
    const std::string line(copy.what());
    return copy.code() == code && line.starts_with(copy.message()) && line.ends_with(copy.hint());
  }
  return false;
}

std::vector<std::byte> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

void errors_and_stages() {
  const Error own(ErrorCode::cancelled, "a; b", "c");
  expect(own.message() == "a; b" && own.hint() == "c" && std::strcmp(own.what(), "a; b; c") == 0, "an error's parts");
  Error assigned(ErrorCode::io, "a");
  expect(assigned.hint().empty(), "no hint");
  assigned = own;
  expect(assigned.code() == ErrorCode::cancelled && assigned.message() == "a; b" && assigned.hint() == "c",
         "an error assigned");
  for (int i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    expect(stage_from_id(stage_id(stage)) == stage && !stage_title(stage).empty() && !stage_phase(stage).empty(), "stages");
  }
  expect(throws(ErrorCode::not_found, [] { const Pipeline pipeline({.checkpoint = "no such folder"}); }), "no checkpoint");
}

void options() {
  Options values;
  std::vector<std::string> notices;
  for (const Option& row : option_table()) {
    expect(!row.flags().empty() && !row.json().empty() && !row.description().empty() && !title_of(row.group).empty(), "a row");
    expect(row.variable().empty() || !variable_in_use(row).empty(), "the variable of a row");
    if (row.name == "texture-size") {
      row.set_text(values, "2048", notices);
      expect(values.finish.texture_size == 2048 && row.fallback() == "1024", "an option that is set");
      expect(row.json_accept() == "a whole number from 512 to 4096", "what an option accepts");
      expect(!row.field.set(values, OptionValue(std::int64_t{511})), "a value out of range");
    }
    if (row.name == "style") expect(renamed_value(row, "uv_checker") == "uv-checker", "an old name");
  }
  expect(environment_value("ESPALIER_NO_SUCH_VARIABLE").empty() &&
             !environment_variables().contains("ESPALIER_NO_SUCH_VARIABLE") && notices.empty() && !values.decode.any(),
         "nothing was said");
  expect(name_of(Precision::half) == "half" && name_of(MemoryTier::low) == "low" && name_of(Background::alpha) == "alpha" &&
             name_of(MultiImageMode::stochastic) == "stochastic" && name_of(BakeMode::fast) == "fast" &&
             name_of(TextureFormat::jpeg) == "jpeg" && name_of(RenderStyle::uv_checker) == "uv-checker" &&
             name_of(VideoFormat::mp4) == "mp4" && name_of(MeshCompression::draco) == "draco" &&
             name_of(Origin::bottom) == "bottom" && name_of(UpAxis::z) == "z" && title_for_programs("a/b.c") == "a_b_c",
         "names of choices");
  expect(surface_of(values) == SurfaceRule::solid, "how the mesh is extracted unless asked otherwise");
  expect(!result_formats().empty() && !option_table().front().is_for(use_serve), "formats and uses");
  expect(!option_rules().empty(), "rules");
  values.save.lods = 3;
  values.asked = {"lods"};
  const auto held = [&](const char* format) {
    apply_option_rules(values, use_generate, {format}, true, OptionSpelling::flags);
  };
  held("glb");
  expect(throws(ErrorCode::invalid_argument, [&] { held("stl"); }), "an option without effect");
}

void diagnostics(const fs::path& checkpoint, const fs::path& folder) {
  const PipelineOptions options{.checkpoint = checkpoint, .device = "cpu"};
  expect(!describe_checkpoint(options).takes_text && memory_need(options).all > 0, "what the checkpoint says of itself");
  const MemoryPlan plan = plan_memory(options, {.latent = {}, .mesh = false});
  expect(plan.fits && plan.tiers.size() == 3 && plan.chosen().tier == plan.tier && plan.chosen().peak > 0,
         "the memory of a job");
  expect(device_in_words("cpu").starts_with("cpu"), "what the device is called");
  expect(device_memory("cpu").free <= device_memory("cpu").total, "its memory");
  const CheckpointInfo info = inspect_checkpoint(checkpoint);
  expect(info.modules.size() == 7, "modules of the checkpoint");
  const ConvertedWeights converted = convert_weights(info.modules.front().file, folder / "weights.safetensors");
  expect(converted.tensors == info.modules.front().tensors, "converted weights");
  for (const Check& check : doctor("cpu")) expect(check.passed || check.skipped, check.name.c_str());
  expect(!bench({.device = "cpu", .repetitions = 1, .quick = true}).empty(), "a bench");
  expect(bench_batches({.device = "cpu", .repetitions = 1, .quick = true, .batches = {1}}).size() == 1, "a bench of batches");
  int ran = 0;
  expect(measured(Stage::write_files, [&] { ++ran; }).stage == Stage::write_files && ran == 1, "measured work");
}

void images(const fs::path& image) {
  const std::vector<std::byte> bytes = bytes_of(image);
  const InputImage file(image);
  const InputImage encoded = InputImage::encoded(bytes, "memory");
  expect(!file.in_memory() && file.file() == image && file.name() == image.string(), "an image in a file");
  expect(encoded.in_memory() && !encoded.raw() && encoded.bytes().size() == bytes.size(), "an image in memory");
  Pipeline::check_image(file);
  Pipeline::check_image(encoded);
  const Pipeline::Foreground foreground = Pipeline::preprocess(encoded, Background::automatic);
  expect(foreground.png == Pipeline::preprocess(file, Background::automatic).png, "foregrounds of file and memory");
  expect(foreground.png == Pipeline::preprocess(encoded, Pipeline::ForegroundRequest{}).png, "the request says the same");
  const InputImage pixels = InputImage::pixels(std::vector<std::byte>(64UL * 64 * 3), 64, 64, 3, "pixels");
  expect(pixels.raw() && pixels.width() == 64 && pixels.height() == 64 && pixels.channels() == 3, "pixels");
  Pipeline::check_image(pixels);
  const ImageInfo info = image_info(image);
  expect(info.media_type == "image/" + info.format && info.width > 0, "what a file is");
  const Pipeline::Foreground whole = whole_foreground(file, {});
  const InputImage masked = with_mask(file, InputImage::encoded(whole.png, "mask"));
  expect(masked.raw() && masked.channels() == 4, "an image with a mask");
  expect(masked.mask() == "mask" && file.masked_by("other").mask() == "other", "what the mask is called");
  expect(throws(ErrorCode::not_found, [&] { (void)background_network_memory(image.parent_path() / "no such.onnx"); }),
         "the memory of no network");
  expect(throws(ErrorCode::invalid_argument, [] { Pipeline::check_image(InputImage::pixels({}, 1, 1, 3, "none")); }),
         "no pixels");
}

Asset generated(Pipeline& pipeline, const fs::path& image, const fs::path& folder) {
  expect(pipeline.device().rfind("cpu", 0) == 0 && pipeline.precision() == "float32" && pipeline.tier() == "low" &&
             !pipeline.untrained(),
         "the pipeline");
  expect(pipeline.structure_defaults().first > 0 && pipeline.latent_defaults().first > 0, "the checkpoint's own settings");
  expect(app_structure_settings().steps == 12 && app_latent_settings().guidance == 3.0, "the settings of the public web app");
  expect(fast_structure_settings(25).steps == 5 && !fast_latent_settings(3).steps && name_of(SamplerPreset::fast) == "fast",
         "the settings of the fast preset");
  Request request{.images = {image}};
  request.structure = {.steps = 2, .guidance = 0.0};
  request.latent = {.steps = 1, .guidance = 0.0};
  request.mesh = false;
  request.gaussians = false;
  const Asset latent = pipeline.generate(request);
  latent.save_latent(folder / "latent.safetensors");
  expect(!is_asset_file(folder / "latent.safetensors") &&
             saved_voxels(folder / "latent.safetensors") == static_cast<std::int64_t>(latent.voxels().size() / 3),
         "a saved latent");
  expect(latent.encode("latent").front().bytes == bytes_of(folder / "latent.safetensors"), "a latent in memory");
  expect(latent.resolution() > 0 && latent.latent().size() % (latent.voxels().size() / 3) == 0, "voxels");
  request.mesh = request.gaussians = true;
  Pipeline moved = std::move(pipeline);
  pipeline = std::move(moved);
  return pipeline.decode(folder / "latent.safetensors", request);
}

// Other details for a shape that exists, and what a prompt must be.
void variants(Pipeline& pipeline, const Asset& shape, const fs::path& image) {
  Request request{.images = {image}};
  request.latent = {.steps = 1, .guidance = 0.0};
  request.mesh = false;
  const Asset varied = pipeline.vary(shape, request);
  expect(varied.gaussian_count() > 0 && !varied.voxels().empty(), "a variant");
  Pipeline::check_prompt("a red armchair");
  expect(!pipeline.takes_text() && throws(ErrorCode::invalid_argument, [] { Pipeline::check_prompt(" "); }), "an empty prompt");
  request.prompt = "a red armchair";
  expect(throws(ErrorCode::invalid_argument, [&] { (void)pipeline.vary(shape, request); }), "an image and a prompt");
}

// Assets of several seeds, and a part of one made anew.
void parts(Pipeline& pipeline, const fs::path& image, const fs::path& folder) {
  Request request{.images = {image}};
  request.structure = {.steps = 1, .guidance = 0.0};
  request.latent = {.steps = 1, .guidance = 0.0};
  request.mesh = false;
  std::vector<NamedAsset> made;
  const std::array<std::uint32_t, 2> seeds{1, 2};
  pipeline.generate_each(request, seeds, [&](std::uint32_t seed, const Asset& asset) {
    made.push_back({std::to_string(seed), asset});
  });
  expect(made.size() == 2, "an asset for each seed");
  const std::array<Pipeline::BatchItem, 2> items{{{.request = request, .observer = {}}, {.request = request, .observer = {}}}};
  int ended = 0;
  pipeline.generate_batch(items, 2, [&](std::size_t, const Pipeline::BatchResult& result) { ended += result.asset ? 1 : 0; });
  expect(ended == 2, "a batch");
  render_comparison(made, folder / "comparison.png", {1, {.size = 64}}, "cpu");
  const EditRequest part{.region = "box:-0.5,-0.5,-0.5,0.5,0.5,0"};
  Pipeline::check_region(part.region);
  expect(throws(ErrorCode::invalid_argument, [] { Pipeline::check_region("box:1"); }), "no region");
  expect(pipeline.edit(made.front().asset, part, request).gaussian_count() > 0, "an edited asset");
}

void arrays(const Asset& asset) {
  expect(!asset.vertices().empty() && asset.vertices().size() == asset.colours().size() && !asset.faces().empty(), "the mesh");
  expect(asset.mesh().positions.data() == asset.vertices().data() && asset.texture().pixels.empty(), "what is not finished");
  expect(asset.gaussian_count() == static_cast<std::int64_t>(asset.gaussians().opacities.size()) &&
             asset.gaussian_summary().gaussians == asset.gaussian_count(),
         "Gaussians");
  expect(!asset.stages().empty() && asset.stages().front().process_bytes == 0, "stages, the process not measured");
  expect(!asset.record().empty() && asset.notices().size() < 100, "records and notices");
}

Asset finished(const Asset& decoded, const fs::path& folder) {
  const FinishRequest request{.faces = 500, .texture_size = 512, .bake = BakeMode::fast, .views = 4, .view_size = 64};
  const Asset asset = finish(decoded, request, "cpu");
  expect(asset.finish_report().has_value() && asset.mesh_summary().faces <= 500, "finishing");
  const MeshArrays mesh = asset.mesh();
  expect(!mesh.uvs.empty() && mesh.normals.size() == mesh.positions.size() && asset.texture().width == 512, "its arrays");
  asset.save_asset(folder / "asset.safetensors");
  const Asset again = load_asset(folder / "asset.safetensors");
  expect(is_asset_file(folder / "asset.safetensors") && again.texture().width == 512 &&
             again.mesh().faces.size() == mesh.faces.size() && again.finish_report()->charts == asset.finish_report()->charts,
         "a saved asset keeps what was finished");
  expect(again.as_decoded().mesh().faces.size() == decoded.faces().size(), "the asset as it was decoded");
  return again;
}

void files(const Asset& asset, const fs::path& folder) {
  asset.save(folder / "mesh.glb");
  asset.save(folder / "splats.ply");
  asset.save_preview(folder / "preview.png");
  expect(asset.encode("preview").front().bytes == bytes_of(folder / "preview.png"), "a preview in memory");
  expect(asset.encode("glb", {.name = "mesh"}).front().bytes == bytes_of(folder / "mesh.glb"), "a GLB in memory");
  expect(asset.encode("gltf", {.name = "chair"}).back().name == "chair.gltf", "a set of files in memory");
  expect(
      content_of(folder / "splats.ply") == FileContent::gaussians && load_gaussians(folder / "splats.ply").gaussian_count() > 0,
      "splats");
  expect(load_mesh(folder / "mesh.glb").texture().width == 512 && !load_any(folder / "mesh.glb").faces().empty() &&
             summarise_mesh_file(folder / "mesh.glb").faces == asset.mesh_summary().faces,
         "the saved mesh");
  expect(asset.left_out_of("glb").empty() && asset.left_out_of("stl").size() == 1 &&
             !load_mesh(folder / "mesh.glb", LoadOptions{.strict = true}).faces().empty(),
         "what files lack");
  Asset copy = asset;
  Asset other;
  other = copy;
  copy = Asset();
  copy = std::move(other);
  expect(!copy.faces().empty(), "copies");
}

void images(const Asset& asset, const fs::path& folder) {
  const ViewRequest view{.size = 64};
  render_view(asset, folder / "view.png", view, "cpu");
  render_views(asset, folder / "views.png", std::array{Viewpoint{}, Viewpoint{90.0, 0.0}}, view, "cpu");
  render_turntable(asset, folder / "turn.webp", {view, 0.2, 10}, "cpu");
  render_contact_sheet(asset, folder / "sheet.png", {2, view}, "cpu");
  expect(fs::file_size(folder / "view.png") > 0 && fs::file_size(folder / "turn.webp") > 0, "images of the asset");
  expect(can_write_mp4() || throws(ErrorCode::unsupported, [&] { render_turntable(asset, folder / "a.mp4", {}, "cpu"); }),
         "no MP4 without ffmpeg");
}

// Without a network, in a home of its own.
void weights(const fs::path& checkpoint, const fs::path& folder) {
  const ModelSettings settings{.variables = {{"HOME", (folder / "home").string()}}, .offline = true};
  expect(find_model(checkpoint.string(), settings).checkpoint == checkpoint, "a folder is a model");
  expect(throws(ErrorCode::not_found, [&] { (void)find_model("trellis-image-large", settings); }), "no model");
  expect(!list_models(settings).empty() && list_models(settings).front().missing_files > 0, "models that are known");
  expect(throws(ErrorCode::not_found, [&] { pull_model("u2net", settings); }), "nothing to find, and no network");
  expect(throws(ErrorCode::not_found, [&] { write_bundle({"u2net"}, folder / "bundle", settings); }), "nothing to bundle");
  expect(throws(ErrorCode::not_found, [&] { import_bundle(folder / "bundle", settings); }), "no bundle");
  expect(model_title(checkpoint) == checkpoint.filename() && decimal_bytes(1'500'000) == "1.50 MB", "names and amounts");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const fs::path checkpoint = argv[1], image = argv[2], folder = argv[3];
  try {
    errors_and_stages();
    options();
    diagnostics(checkpoint, folder);
    weights(checkpoint, folder);
    images(image);
    Pipeline::preprocess(image, Background::none, folder / "as_it_is.png");
    Pipeline::preprocess(image, Pipeline::ForegroundRequest{.background = Background::none}, folder / "as_it_is.png");
    expect(find_background_network("auto", {folder / "no such folder"}).empty(), "no network where there is no folder");
    Pipeline pipeline({.checkpoint = checkpoint, .device = "cpu", .tier = MemoryTier::low});
    Asset made = generated(pipeline, image, folder);
    const Asset decoded = std::move(made);
    arrays(decoded);
    const Asset asset = finished(decoded, folder);
    files(asset, folder);
    images(asset, folder);
    variants(pipeline, asset, image);
    parts(pipeline, image, folder);
  } catch (const Error& error) {
    expect(false, error.what());
  }
  std::printf("espalier %s: %d failures\n", version().c_str(), failures);
  return failures == 0 ? 0 : 1;
}
