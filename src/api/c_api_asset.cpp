// The C interface to assets: loading, finishing, files, arrays, reports, images.
#include <iterator>
#include <span>

#include "api/c_api_parts.h"

namespace espalier::c {
namespace {

static_assert(static_cast<int>(BakeMode::best) == ESPALIER_BAKE_BEST);
static_assert(static_cast<int>(TextureFormat::automatic) == ESPALIER_TEXTURE_AUTO);
static_assert(static_cast<int>(MeshCompression::draco) == ESPALIER_COMPRESSION_DRACO);
static_assert(static_cast<int>(RenderStyle::radiance_field) == ESPALIER_STYLE_RADIANCE_FIELD &&
              static_cast<int>(RenderStyle::clay) == ESPALIER_STYLE_CLAY);

int flag(bool value) { return value ? 1 : 0; }

espalier_finish plain_finish() {
  const FinishRequest r;
  return {sizeof(espalier_finish),
          flag(r.clean),
          flag(r.fill_holes),
          r.simplify,
          r.faces.value_or(0),
          flag(r.texture),
          r.texture_size,
          static_cast<int>(r.bake),
          flag(r.bake_radiance_field),
          r.views,
          r.view_size,
          flag(r.project_image),
          flag(r.watertight),
          r.min_wall_mm,
          r.flat_base_mm,
          r.size_mm,
          r.height_mm,
          flag(r.maps.normal),
          flag(r.maps.occlusion),
          r.delight};
}

FinishRequest finish_of(const espalier_finish* pointer) {
  const espalier_finish f = taken(pointer, plain_finish(), "finish");
  FinishRequest out;
  out.clean = f.clean != 0;
  out.fill_holes = f.fill_holes != 0;
  out.simplify = f.simplify;
  if (f.faces != 0) out.faces = f.faces;
  out.texture = f.texture != 0;
  out.texture_size = f.texture_size;
  out.bake = enumerator(f.bake, BakeMode::best, "bake");
  out.bake_radiance_field = f.bake_radiance_field != 0;
  out.views = f.views;
  out.view_size = f.view_size;
  out.project_image = f.project_image != 0;
  out.watertight = f.watertight != 0;
  out.min_wall_mm = f.min_wall_mm;
  out.flat_base_mm = f.flat_base_mm;
  out.size_mm = f.size_mm;
  out.height_mm = f.height_mm;
  out.maps = {f.normal_map != 0, f.occlusion_map != 0};
  out.delight = f.delight;
  return out;
}

espalier_save_options plain_save_options() {
  const SaveOptions o;
  return {sizeof(espalier_save_options),
          o.size_mm,
          static_cast<int>(o.texture),
          flag(o.unlit),
          nullptr,
          flag(o.quantise),
          static_cast<int>(o.compress),
          o.lods,
          o.max_bytes,
          static_cast<int>(o.origin),
          0.0,
          static_cast<int>(o.up),
          nullptr};
}

SaveOptions save_options_of(const espalier_save_options* pointer) {
  SaveOptions out;
  if (pointer == nullptr) return out;
  const espalier_save_options o = taken(pointer, plain_save_options(), "options");
  out.size_mm = o.size_mm;
  out.texture = enumerator(o.texture, TextureFormat::automatic, "texture");
  out.unlit = o.unlit != 0;
  out.quantise = o.quantise != 0;
  out.compress = enumerator(o.compress, MeshCompression::draco, "compress");
  out.lods = o.lods;
  out.max_bytes = o.max_bytes;
  if (o.name != nullptr) out.name = o.name;
  out.origin = enumerator(o.origin, Origin::bottom, "origin");
  if (o.height != 0.0) out.height = o.height;
  out.up = enumerator(o.up, UpAxis::z, "up");
  if (o.title != nullptr) out.title = o.title;
  return out;
}

espalier_view plain_view() {
  const ViewRequest r;
  return {sizeof(espalier_view), ESPALIER_STYLE_AUTO, r.from.yaw, r.from.pitch, r.fov, 0.0, r.size, 0, 0.0, 0.0, 0.0, 0};
}

ViewRequest view_of(const espalier_view* pointer) {
  const espalier_view v = taken(pointer, plain_view(), "view");
  ViewRequest out;
  out.style = enumerator(v.style, RenderStyle::radiance_field, "style");
  out.from = {v.yaw, v.pitch};
  out.fov = v.fov;
  if (v.distance != 0.0) out.distance = v.distance;
  out.size = v.pixels;
  if (v.opaque != 0) out.background = {v.red, v.green, v.blue};
  out.unlit = v.unlit != 0;
  return out;
}

template <class T>
const T* pointer_of(std::span<const T> values) {
  return values.empty() ? nullptr : values.data();
}

template <class T, class Values>
const T* array_of(const espalier_asset* asset, std::size_t* count, Values values) {
  const auto span = asset == nullptr ? std::span<const T>() : values(asset->asset);
  if (count != nullptr) *count = span.size();
  return pointer_of(span);
}

espalier_mesh_arrays arrays_of(const MeshArrays& mesh, const TextureArray& texture) {
  return {sizeof(espalier_mesh_arrays),
          mesh.positions.size() / 3,
          mesh.faces.size() / 3,
          pointer_of(mesh.positions),
          pointer_of(mesh.normals),
          pointer_of(mesh.uvs),
          pointer_of(mesh.colours),
          pointer_of(mesh.faces),
          texture.width,
          texture.height,
          texture.channels,
          pointer_of(texture.pixels)};
}

espalier_gaussian_arrays arrays_of(const GaussianArrays& g) {
  const std::size_t count = g.opacities.size();
  return {sizeof(espalier_gaussian_arrays),
          count,
          pointer_of(g.positions),
          pointer_of(g.dc),
          pointer_of(g.scales),
          pointer_of(g.rotations),
          pointer_of(g.opacities),
          pointer_of(g.harmonics),
          count == 0 ? 0 : g.harmonics.size() / count};
}

espalier_mesh_summary summary_in_c(const MeshSummary& s) {
  return {sizeof(espalier_mesh_summary),
          s.faces,
          s.vertices,
          s.components,
          s.boundary_edges,
          s.holes,
          s.non_manifold_edges,
          s.degenerate_faces,
          s.duplicate_faces,
          flag(s.watertight),
          flag(s.consistent_winding),
          s.area,
          s.volume,
          {s.low[0], s.low[1], s.low[2]},
          {s.high[0], s.high[1], s.high[2]},
          s.handles,
          s.hidden_share,
          s.crossing_faces,
          s.crease_length};
}

espalier_finish_report report_in_c(const std::optional<FinishReport>& report) {
  espalier_finish_report out{};
  out.size = sizeof out;
  if (!report) return out;
  return {sizeof out,           1,
          report->before.faces, report->after.faces,
          report->hidden_faces, report->small_faces,
          report->filled_holes, report->charts,
          report->mean_stretch, report->texture_use,
          report->texels_seen};
}

const std::pair<const std::string, std::string>* record_at(const espalier_asset* asset, std::size_t index) {
  if (asset == nullptr || index >= asset->asset.record().size()) return nullptr;
  return &*std::next(asset->asset.record().begin(), static_cast<std::ptrdiff_t>(index));
}

}  // namespace
}  // namespace espalier::c

using namespace espalier;
using namespace espalier::c;

extern "C" {

espalier_asset* espalier_asset_load(const char* path, espalier_error* error) {
  espalier_asset* loaded = nullptr;
  guarded(error, [&] { loaded = new espalier_asset{load_any(text_of(path, "path"))}; });
  return loaded;
}
espalier_asset* espalier_asset_as_decoded(const espalier_asset* asset, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] { made = new espalier_asset{given(asset, "asset").asset.as_decoded()}; });
  return made;
}
espalier_asset* espalier_asset_copy(const espalier_asset* asset) {
  return asset == nullptr ? nullptr : new (std::nothrow) espalier_asset{*asset};
}
void espalier_asset_free(espalier_asset* asset) { delete asset; }

void espalier_finish_defaults(espalier_finish* finish, size_t size) { fill_defaults(plain_finish(), finish, size); }

espalier_asset* espalier_asset_finish(const espalier_asset* asset, const espalier_finish* finish, const char* device,
                                      const espalier_observer* observer, espalier_error* error) {
  espalier_asset* made = nullptr;
  guarded(error, [&] {
    made = new espalier_asset{
        espalier::finish(given(asset, "asset").asset, finish_of(finish), device_of(device), observer_of(observer))};
  });
  return made;
}

void espalier_save_options_defaults(espalier_save_options* options, size_t size) {
  fill_defaults(plain_save_options(), options, size);
}

espalier_code espalier_asset_save(const espalier_asset* asset, const char* path, const espalier_save_options* options,
                                  espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save(text_of(path, "path"), save_options_of(options)); });
}
espalier_code espalier_asset_save_latent(const espalier_asset* asset, const char* path, espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save_latent(text_of(path, "path")); });
}
espalier_code espalier_asset_save_preview(const espalier_asset* asset, const char* path, espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save_preview(text_of(path, "path")); });
}
espalier_code espalier_asset_save_asset(const espalier_asset* asset, const char* path, espalier_error* error) {
  return guarded(error, [&] { given(asset, "asset").asset.save_asset(text_of(path, "path")); });
}

espalier_files* espalier_asset_encode(const espalier_asset* asset, const char* format, const espalier_save_options* options,
                                      espalier_error* error) {
  espalier_files* made = nullptr;
  guarded(error, [&] {
    made = new espalier_files{given(asset, "asset").asset.encode(text_of(format, "format"), save_options_of(options))};
  });
  return made;
}
size_t espalier_files_count(const espalier_files* files) { return files == nullptr ? 0 : files->files.size(); }
const char* espalier_files_name(const espalier_files* files, size_t index) {
  return index < espalier_files_count(files) ? files->files[index].name.c_str() : nullptr;
}
const void* espalier_files_bytes(const espalier_files* files, size_t index, size_t* byte_count) {
  const bool there = index < espalier_files_count(files);
  if (byte_count != nullptr) *byte_count = there ? files->files[index].bytes.size() : 0;
  return there ? files->files[index].bytes.data() : nullptr;
}
void espalier_files_free(espalier_files* files) { delete files; }

const float* espalier_asset_vertices(const espalier_asset* asset, size_t* count) {
  return array_of<float>(asset, count, [](const Asset& a) { return a.vertices(); });
}
const float* espalier_asset_colours(const espalier_asset* asset, size_t* count) {
  return array_of<float>(asset, count, [](const Asset& a) { return a.colours(); });
}
const int32_t* espalier_asset_faces(const espalier_asset* asset, size_t* count) {
  return array_of<std::int32_t>(asset, count, [](const Asset& a) { return a.faces(); });
}
const int32_t* espalier_asset_voxels(const espalier_asset* asset, size_t* count) {
  return array_of<std::int32_t>(asset, count, [](const Asset& a) { return a.voxels(); });
}
int espalier_asset_resolution(const espalier_asset* asset) { return asset == nullptr ? 0 : asset->asset.resolution(); }
const float* espalier_asset_latent(const espalier_asset* asset, size_t* count) {
  return array_of<float>(asset, count, [](const Asset& a) { return a.latent(); });
}
int64_t espalier_asset_gaussian_count(const espalier_asset* asset) {
  return asset == nullptr ? 0 : asset->asset.gaussian_count();
}

espalier_code espalier_asset_mesh(const espalier_asset* asset, espalier_mesh_arrays* arrays, size_t size,
                                  espalier_error* error) {
  return guarded(error, [&] {
    const Asset& a = given(asset, "asset").asset;
    hand_over(arrays_of(a.mesh(), a.texture()), arrays, size, "arrays");
  });
}
espalier_code espalier_asset_gaussians(const espalier_asset* asset, espalier_gaussian_arrays* arrays, size_t size,
                                       espalier_error* error) {
  return guarded(error, [&] { hand_over(arrays_of(given(asset, "asset").asset.gaussians()), arrays, size, "arrays"); });
}

size_t espalier_asset_stage_reports(const espalier_asset* asset) { return asset == nullptr ? 0 : asset->asset.stages().size(); }
espalier_code espalier_asset_stage_report(const espalier_asset* asset, size_t index, espalier_stage_report* report, size_t size,
                                          espalier_error* error) {
  return guarded(error, [&] {
    const std::vector<StageReport>& stages = given(asset, "asset").asset.stages();
    if (index >= stages.size())
      fail(ErrorCode::invalid_argument, "there is no stage report ", index, hint("there are ", stages.size()));
    const StageReport& s = stages[index];
    hand_over(espalier_stage_report{sizeof(espalier_stage_report), static_cast<int>(s.stage), s.seconds, s.weight_bytes,
                                    s.planned_bytes, s.peak_bytes, s.process_bytes},
              report, size, "report");
  });
}

size_t espalier_asset_notice_count(const espalier_asset* asset) { return asset == nullptr ? 0 : asset->asset.notices().size(); }
const char* espalier_asset_notice(const espalier_asset* asset, size_t index) {
  return index < espalier_asset_notice_count(asset) ? asset->asset.notices()[index].c_str() : nullptr;
}
size_t espalier_asset_record_count(const espalier_asset* asset) { return asset == nullptr ? 0 : asset->asset.record().size(); }
const char* espalier_asset_record_key(const espalier_asset* asset, size_t index) {
  const auto* entry = record_at(asset, index);
  return entry == nullptr ? nullptr : entry->first.c_str();
}
const char* espalier_asset_record_value(const espalier_asset* asset, size_t index) {
  const auto* entry = record_at(asset, index);
  return entry == nullptr ? nullptr : entry->second.c_str();
}

espalier_code espalier_asset_mesh_summary(const espalier_asset* asset, espalier_mesh_summary* summary, size_t size,
                                          espalier_error* error) {
  return guarded(error, [&] { hand_over(summary_in_c(given(asset, "asset").asset.mesh_summary()), summary, size, "summary"); });
}
espalier_code espalier_asset_gaussian_summary(const espalier_asset* asset, espalier_gaussian_summary* summary, size_t size,
                                              espalier_error* error) {
  return guarded(error, [&] {
    const GaussianSummary s = given(asset, "asset").asset.gaussian_summary();
    hand_over(espalier_gaussian_summary{sizeof(espalier_gaussian_summary),
                                        s.gaussians,
                                        s.harmonics_degree,
                                        s.unseen,
                                        s.mean_opacity,
                                        s.median_scale,
                                        {s.low[0], s.low[1], s.low[2]},
                                        {s.high[0], s.high[1], s.high[2]}},
              summary, size, "summary");
  });
}
espalier_code espalier_asset_finish_report(const espalier_asset* asset, espalier_finish_report* report, size_t size,
                                           espalier_error* error) {
  return guarded(error, [&] { hand_over(report_in_c(given(asset, "asset").asset.finish_report()), report, size, "report"); });
}

void espalier_view_defaults(espalier_view* view, size_t size) { fill_defaults(plain_view(), view, size); }

espalier_code espalier_asset_render_view(const espalier_asset* asset, const char* png, const espalier_view* view,
                                         const char* device, const espalier_observer* observer, espalier_error* error) {
  return guarded(error, [&] {
    render_view(given(asset, "asset").asset, text_of(png, "png"), view_of(view), device_of(device), observer_of(observer));
  });
}
espalier_code espalier_asset_render_turntable(const espalier_asset* asset, const char* video, const espalier_view* view,
                                              double seconds, int frames_per_second, const char* device,
                                              const espalier_observer* observer, espalier_error* error) {
  return guarded(error, [&] {
    const TurntableRequest request{view_of(view), seconds, frames_per_second};
    render_turntable(given(asset, "asset").asset, text_of(video, "video"), request, device_of(device), observer_of(observer));
  });
}
espalier_code espalier_asset_render_contact_sheet(const espalier_asset* asset, const char* png, const espalier_view* view,
                                                  int views, const char* device, const espalier_observer* observer,
                                                  espalier_error* error) {
  return guarded(error, [&] {
    const SheetRequest request{views, view_of(view)};
    render_contact_sheet(given(asset, "asset").asset, text_of(png, "png"), request, device_of(device), observer_of(observer));
  });
}
int espalier_can_write_mp4(void) { return flag(can_write_mp4()); }

}  // extern "C"
