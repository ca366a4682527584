#include "evaluation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "api/asset.h"
#include "base/file.h"
#include "espalier/diagnostics.h"
#include "image/codec.h"
#include "render/raster/camera.h"
#include "render/raster/splat_renderer.h"
#include "render/raster/triangle_rasteriser.h"
#include "scores.h"

namespace espalier::quality {

namespace {

constexpr int kResolution = 64, kImageSize = 518;
constexpr float kTolerance = 1.0F / 32;
constexpr int kPoints = 100'000, kVertices = 50'000;
constexpr int kViews = 4, kViewSize = 256;
constexpr std::size_t kFewestVertices = 20;  // of a part with a named colour
constexpr double kObeyed = 30;               // a named colour is met up to this error, of 255
constexpr int kOutsideViews = 60, kOutsideSize = 512;
constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 30U;

// A quarter turn apart, none of them at the conditioning image's yaw.
std::vector<OrbitCamera> unseen_views(const HeldOutObject& object) {
  constexpr float kPi = std::numbers::pi_v<float>;
  std::vector<OrbitCamera> views;
  for (int k = 0; k < kViews; ++k) {
    // The front of the objects looks along -y, where the yaw of an orbit camera is half a turn.
    const float yaw = kPi - object.yaw_degrees() * kPi / 180 + (0.25F + 0.5F * static_cast<float>(k)) * kPi;
    views.push_back({.yaw = yaw, .pitch = (k % 2 == 0 ? 0.35F : -0.1F), .radius = 2.0F, .fov_degrees = 36.0F});
  }
  return views;
}

// RGBA in front of black, premultiplied.
Image image_of(SplatRenderer<Cpu>& renderer, const OrbitCamera& camera) {
  constexpr auto kPixels = std::size_t{kViewSize} * kViewSize;
  std::vector<float> colour(3 * kPixels), alpha(kPixels);
  SplatOptions options;
  options.width = options.height = kViewSize;
  renderer.render(camera_of(camera), options, View<Cpu, float, 3>(colour.data(), {kViewSize, kViewSize, 3}),
                  View<Cpu, float, 2>(alpha.data(), {kViewSize, kViewSize}));
  const auto byte = [](float x) { return static_cast<std::uint8_t>(std::lround(std::clamp(x, 0.0F, 1.0F) * 255)); };
  Image image(kViewSize, kViewSize, 4);
  for (std::size_t i = 0; i < kPixels; ++i) {
    for (std::size_t c = 0; c < 3; ++c) image.pixels[4 * i + c] = byte(colour[3 * i + c]);
    image.pixels[4 * i + 3] = byte(alpha[i]);
  }
  return image;
}

double psnr_of(const Gaussians& gaussians, const HeldOutObject& object) {
  Queue<Cpu> queue;
  SplatRenderer<Cpu> renderer(queue, gaussians);
  std::vector<double> views;
  for (const OrbitCamera& camera : unseen_views(object)) {
    views.push_back(psnr_in_union(image_of(renderer, camera), object.render(camera, kViewSize)));
  }
  return mean(views);
}

// Whether a vertex belongs to a face that a view from outside sees.
std::vector<bool> seen_vertices(const Mesh& mesh) {
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(kOutsideViews, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  Queue<Cpu> queue;
  const auto views = face_visibility(queue, mesh, cameras, kOutsideSize, nullptr);
  std::vector<bool> seen(static_cast<std::size_t>(mesh.vertex_count()));
  for (std::size_t f = 0; f < views.size(); ++f) {
    for (std::size_t k = 3 * f; views[f] > 0 && k < 3 * f + 3; ++k) seen[static_cast<std::size_t>(mesh.faces[k])] = true;
  }
  return seen;
}

struct ColourErrors {
  double all = 255, seen = 255, main = 255;
  std::vector<double> named;
};

// Mean difference per channel between the vertices' colours and the plain colour of the closest point of the true surface. A
// decoded mesh has a second wall under its surface, where the voxels end. The colour of a vertex there is partly the grey that
// the representation gives to corners without a voxel, and there is no truth that it could be held against: `seen` leaves
// these walls out.
ColourErrors colour_errors_of(const Mesh& mesh, const HeldOutObject& object) {
  const std::int64_t count = mesh.vertex_count(), step = std::max<std::int64_t>(1, count / kVertices);
  std::vector<Point> points;
  for (std::int64_t v = 0; v < count; v += step) {
    const auto i = static_cast<std::size_t>(v) * 3;
    points.push_back({mesh.vertices[i], mesh.vertices[i + 1], mesh.vertices[i + 2]});
  }
  if (points.empty()) return {};
  const auto truth = object.closest_on_surface(points);
  const auto seen = seen_vertices(mesh);
  std::vector<double> all, outer;
  std::vector<Point> shown, true_colours;  // of seen vertices
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t v = i * static_cast<std::size_t>(step);
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += std::abs(mesh.colours[3 * v + c] - truth.colours[i][c]);
    all.push_back(sum / 3 * 255);
    if (!seen[v]) continue;
    outer.push_back(sum / 3 * 255);
    shown.push_back({mesh.colours[3 * v], mesh.colours[3 * v + 1], mesh.colours[3 * v + 2]});
    true_colours.push_back(truth.colours[i]);
  }
  ColourErrors errors{.all = mean(all), .seen = outer.empty() ? 255 : mean(outer), .named = {}};
  for (const Point& colour : object.caption().colours) {
    const auto error = named_colour_error(shown, true_colours, colour, kFewestVertices);
    if (&colour == &object.caption().colours.front()) errors.main = error.value_or(255);
    if (error) errors.named.push_back(*error);
  }
  return errors;
}

std::vector<std::uint8_t> grid_of(std::span<const std::int32_t> voxels) {
  std::vector<std::uint8_t> grid(std::size_t{kResolution} * kResolution * kResolution);
  for (std::size_t i = 0; i + 2 < voxels.size(); i += 3) {
    grid[(static_cast<std::size_t>(voxels[i]) * kResolution + static_cast<std::size_t>(voxels[i + 1])) * kResolution +
         static_cast<std::size_t>(voxels[i + 2])] = 1;
  }
  return grid;
}

class Evaluation {
 public:
  explicit Evaluation(const Settings& settings) : settings_(settings), pipeline_(settings.pipeline) {
    std::filesystem::create_directories(settings.folder);
  }

  [[nodiscard]] Asset generate(const HeldOutObject& object, std::size_t number) {
    Request request = settings_.request();
    if (!object.caption().text.empty()) {
      request.prompt = object.caption().text;
      return pipeline_.generate(request);
    }
    const auto path = settings_.folder / (std::to_string(number) + "-" + object.family() + ".png");
    write_file(path, encode_png(object.image(kImageSize)));
    request.images = {path};
    return pipeline_.generate(request);
  }

  [[nodiscard]] static Row score(const Asset& asset, const HeldOutObject& object, const HeldOutObject& other) {
    Row row;
    row.family = object.family();
    row.voxels = static_cast<std::int64_t>(asset.voxels().size() / 3);
    const auto grid = grid_of(asset.voxels());
    const FScore voxels = voxel_f_score(grid, object.surface_cells(kResolution), kResolution);
    row.voxel_f = voxels.value();
    row.missing_skin = 1 - voxels.recall;
    row.mismatch_f = voxel_f_score(grid, other.surface_cells(kResolution), kResolution).value();
    const auto& data = asset.data();
    const auto points = points_on(*data.mesh, kPoints);
    const FScore mesh = point_f_score(points, object.surface_points(kPoints), kTolerance);
    row.mesh_precision = mesh.precision;
    row.mesh_recall = mesh.recall;
    row.mesh_f = mesh.value();
    if (object.caption().text.empty()) {
      row.psnr = psnr_of(*data.gaussians, object);
    } else {
      row.mesh_mismatch_f = point_f_score(points, other.surface_points(kPoints), kTolerance).value();
    }
    const ColourErrors colours = colour_errors_of(*data.mesh, object);
    row.colour_error = colours.all;
    row.seen_error = colours.seen;
    row.main_error = colours.main;
    row.named_errors = colours.named;
    for (const StageReport& stage : asset.stages()) {
      row.seconds += stage.seconds;
      if (stage.stage == Stage::sample_structure || stage.stage == Stage::sample_latent) row.sampling_seconds += stage.seconds;
    }
    return row;
  }

  // The files of an asset, to compare two runs by.
  [[nodiscard]] std::vector<std::vector<std::byte>> files(const Asset& asset) const {
    std::vector<std::vector<std::byte>> bytes;
    for (const char* name : {"repeat.glb", "repeat.ply"}) {
      const auto path = settings_.folder / name;
      asset.save(path);
      bytes.push_back(read_file(path, kMaxFile));
      std::filesystem::remove(path);
    }
    return bytes;
  }

  [[nodiscard]] const Pipeline& pipeline() const { return pipeline_; }

 private:
  const Settings& settings_;
  Pipeline pipeline_;
};

std::vector<double> column(const std::vector<Row>& rows, double Row::*field) {
  std::vector<double> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(row.*field);
  return values;
}

double size_of(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return static_cast<double>(bytes) / (1 << 20);
}

// Of captions: how many name the main colour, and any colour, so that the mesh obeys.
struct Obeyed {
  double main = 0, all = 0;
};
Obeyed obeyed_of(const std::vector<Row>& rows) {
  double main = 0, met = 0, named = 0;
  for (const Row& row : rows) {
    main += row.main_error <= kObeyed ? 1 : 0;
    named += static_cast<double>(row.named_errors.size());
    met += static_cast<double>(row.named_met());
  }
  return {main / static_cast<double>(std::max<std::size_t>(rows.size(), 1)), named > 0 ? met / named : 0};
}

std::vector<Measure> measures_of_captions(const Report& report, const Settings& settings) {
  const auto f = column(report.rows, &Row::mesh_f), voxels = column(report.rows, &Row::voxel_f);
  const double gap = mean(voxels) - mean(column(report.rows, &Row::mismatch_f));
  const double mesh_gap = mean(f) - mean(column(report.rows, &Row::mesh_mismatch_f));
  const Obeyed obeyed = obeyed_of(report.rows);
  return {
      {"mesh_f", "F-score of the mesh at 1/32, mean", "", mean(f), 0.75},
      {"mesh_f_p10", "  the same, 10th percentile", "", quantile(f, 0.1), 0.60},
      {"mesh_gap", "  less that against another object", "", mesh_gap, 0.25},
      {"voxel_f", "F-score of voxels, tolerance 1, mean", "", mean(voxels), 0.75},
      {"mismatch_gap", "  less that against another object", "", gap, 0.25},
      {"main_colour", "main colour within 30 of 255, share", "", obeyed.main, 0.85},
      {"named_colours", "all named colours within 30, share", "", obeyed.all, 0.85},
      {"size", "size of the checkpoint", "MiB", size_of(settings.pipeline.checkpoint), 6.0, false},
      {"seconds", "generation, median", "s", quantile(column(report.rows, &Row::seconds), 0.5), 60.0, false},
      {"repeatable", "two runs give identical files", "", report.repeatable ? 1.0 : 0.0, 1.0},
  };
}

std::vector<Measure> measures_of(const Report& report, const Settings& settings) {
  const auto f = column(report.rows, &Row::mesh_f), voxels = column(report.rows, &Row::voxel_f);
  const double gap = mean(voxels) - mean(column(report.rows, &Row::mismatch_f));
  return {
      {"mesh_f", "F-score of the mesh at 1/32, mean", "", mean(f), 0.85},
      {"mesh_f_p10", "  the same, 10th percentile", "", quantile(f, 0.1), 0.60},
      {"voxel_f", "F-score of voxels, tolerance 1, mean", "", mean(voxels), 0.85},
      {"mismatch_gap", "  less that against another object", "", gap, 0.25},
      {"missing_skin", "  surface without a voxel within one", "", mean(column(report.rows, &Row::missing_skin)), 0.06, false},
      {"psnr", "Gaussians from 4 unseen views", "dB", mean(column(report.rows, &Row::psnr)), 20.0},
      {"colour_error", "colour error of the mesh's vertices", "/ 255", mean(column(report.rows, &Row::colour_error)), 20.0,
       false},
      {"seen_error", "  the same without interior faces", "/ 255", mean(column(report.rows, &Row::seen_error)), 20.0, false},
      {"size", "size of the checkpoint", "MiB", size_of(settings.pipeline.checkpoint), 24.0, false},
      {"seconds", "generation, median", "s", quantile(column(report.rows, &Row::seconds), 0.5), 60.0, false},
      {"repeatable", "two runs give identical files", "", report.repeatable ? 1.0 : 0.0, 1.0},
  };
}

}  // namespace

Request Settings::request() const {
  Request request;
  request.seed = seed;
  request.preset = preset;
  request.structure = structure;
  request.latent = latent;
  return request;
}

std::size_t Row::named_met() const {
  return static_cast<std::size_t>(
      std::count_if(named_errors.begin(), named_errors.end(), [](double e) { return e <= kObeyed; }));
}

Report evaluate(std::span<const HeldOutObject> objects, const Settings& settings,
                const std::function<void(const Row&)>& on_row) {
  Evaluation evaluation(settings);
  Report report;
  report.device = evaluation.pipeline().device();
  report.precision = evaluation.pipeline().precision();
  const MemoryPlan plan =
      plan_memory(settings.pipeline,
                  {.structure_sampler = settings.structure, .latent_sampler = settings.latent, .preset = settings.preset});
  report.structure_evaluations = plan.structure_evaluations;
  report.latent_evaluations = plan.latent_evaluations;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const Asset asset = evaluation.generate(objects[i], i);
    report.rows.push_back(Evaluation::score(asset, objects[i], objects[(i + objects.size() - 1) % objects.size()]));
    if (!settings.delight.empty())
      report.rows.back().finished = finished_errors_of(asset, objects[i], settings.delight, settings.pipeline.device);
    on_row(report.rows.back());
    if (i == 0) report.repeatable = evaluation.files(asset) == evaluation.files(evaluation.generate(objects[i], i));
  }
  const bool captions = !objects.empty() && !objects.front().caption().text.empty();
  report.measures = captions ? measures_of_captions(report, settings) : measures_of(report, settings);
  return report;
}

nlohmann::ordered_json json_of(const Report& report) {
  nlohmann::ordered_json out{{"device", report.device}, {"precision", report.precision}, {"objects", report.rows.size()}};
  out["evaluations"] = {{"structure", report.structure_evaluations}, {"latent", report.latent_evaluations}};
  for (const Measure& m : report.measures) out[m.key] = m.value;
  for (const Row& r : report.rows) {
    out["rows"].push_back({{"family", r.family},
                           {"voxels", r.voxels},
                           {"voxel_f", r.voxel_f},
                           {"mismatch_f", r.mismatch_f},
                           {"missing_skin", r.missing_skin},
                           {"mesh_f", r.mesh_f},
                           {"mesh_precision", r.mesh_precision},
                           {"mesh_recall", r.mesh_recall},
                           {"psnr", r.psnr},
                           {"colour_error", r.colour_error},
                           {"seen_error", r.seen_error},
                           {"seconds", r.seconds},
                           {"sampling_seconds", r.sampling_seconds}});
    if (!r.finished.textures.empty()) out["rows"].back()["surface_error"] = r.finished.surface;
    for (const TextureError& error : r.finished.textures)
      out["rows"].back()["textures"].push_back({{"plain", error.plain}, {"scaled", error.scaled}, {"off", error.off}});
    if (!r.named_errors.empty()) {
      out["rows"].back()["mesh_mismatch_f"] = r.mesh_mismatch_f;
      out["rows"].back()["main_error"] = r.main_error;
      out["rows"].back()["named_errors"] = r.named_errors;
    }
  }
  return out;
}

}  // namespace espalier::quality
