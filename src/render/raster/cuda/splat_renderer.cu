#include <bit>
#include <vector>

#include "parallel/cuda/for_each.cuh"
#include "parallel/scan.h"
#include "parallel/sort.h"
#include "render/raster/cuda/splat_kernels.cuh"
#include "render/raster/downsample.h"
#include "render/raster/splat_renderer_impl.h"
#include "runtime/array.h"

namespace espalier {
namespace {

using namespace splat;

constexpr const char* kWhere = "SplatRenderer::render";
constexpr int kThreads = 256;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 22U;       // Gaussians of all views that are drawn together
constexpr std::int64_t kMaxSamples = std::int64_t{1} << 25U;    // of all views that are supersampled together
constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 26U;  // of lists that are sorted together, unless one view has more
constexpr std::uint64_t kMostEntries = 0x7FFFFFFFU;

// Keys and values that a sort moves between two halves.
struct Pairs {
  Array<Cuda, std::uint32_t> keys, values, spare_keys, spare_values;
  SortPairs<std::uint32_t> take(const Queue<Cuda>& queue, std::int64_t n, const char* what) {
    return {keys.resize(queue, n, what), values.resize(queue, n, what), spare_keys.resize(queue, n, what),
            spare_values.resize(queue, n, what)};
  }
};

}  // namespace

template <>
struct SplatRenderer<Cuda>::State {
  Queue<Cuda>& queue;
  std::int64_t gaussians;
  std::array<float, 3> low, high;
  Array<Cuda, float> centre, covariance, opacity, harmonics;
  Scene scene;
  Array<Cuda, Splat> splats;
  Array<Cuda, Tiles> tiles;
  Array<Cuda, std::uint32_t> counts, starts;
  Array<Cuda, unsigned long long> totals;
  Array<Cuda, uint2> lists;
  Array<Cuda, std::byte> workspace;
  Array<Cuda, float> fine;
  Pairs by_depth, by_tile;

  State(Queue<Cuda>& q, const HostScene& host)
      : queue(q),
        gaussians(host.count()),
        low(host.low),
        high(host.high),
        centre(queue, host.centre, "centres of Gaussians"),
        covariance(queue, host.covariance, "covariances of Gaussians"),
        opacity(queue, host.opacity, "opacities of Gaussians"),
        harmonics(queue, host.harmonics, "colours of Gaussians"),
        scene{centre.data(), covariance.data(), opacity.data(), harmonics.data(), host.coefficients} {
    queue.synchronize();  // the host's arrays end here
  }

  // The keys that hold the depths of all Gaussians in all views, with room for rounding.
  [[nodiscard]] DepthKeys depth_keys(const Views& views, int count) const {
    float least = std::numeric_limits<float>::max(), most = kNear;
    for (int v = 0; v < count; ++v) {
      const float* const r = views.at[v].rotation + 6;
      float middle = views.at[v].translation[2], half = 0.0F, scale = std::abs(middle);
      for (std::size_t k = 0; k < 3; ++k) {
        middle += r[k] * 0.5F * (low[k] + high[k]);
        half += std::abs(r[k]) * 0.5F * (high[k] - low[k]);
        scale += std::abs(r[k]) * std::max(std::abs(low[k]), std::abs(high[k]));
      }
      const float slack = half + 1e-5F * scale;
      least = std::min(least, middle - slack);
      most = std::max(most, middle + slack);
    }
    least = std::clamp(least, kNear, most);
    if (!std::isfinite(least) || !std::isfinite(most)) return {std::bit_cast<std::uint32_t>(kNear), 0x7F800000U};
    return {std::bit_cast<std::uint32_t>(least), std::bit_cast<std::uint32_t>(most)};
  }

  View<Cuda, std::byte, 1> room(std::size_t bytes) {
    const auto n = static_cast<std::int64_t>(bytes);
    return {workspace.resize(queue, n, "workspace of splatting"), {n}};
  }
  SortPairs<std::uint32_t> sort(const SortPairs<std::uint32_t>& pairs, std::int64_t n, int bits) {
    return sort_pairs<Cuda, std::uint32_t>(queue, pairs, n, bits, room(sort_bytes<Cuda>(n, bits)));
  }

  // Lists the entries of the Gaussians of `views` views from `first_view` on by tile, in the order of their depths; `pairs` are
  // depths and rows of `projected`. Returns the row of each entry.
  const std::uint32_t* list_entries(const ViewPoint& view, const Projected& projected, int first_view, int views,
                                    std::int64_t entries, DepthKeys depths, const SortPairs<std::uint32_t>& pairs,
                                    uint2* ranges) {
    const std::int64_t n = gaussians * views, tiles_per_view = std::int64_t{view.columns} * view.rows;
    const std::uint32_t* const rows = sort(pairs.from(gaussians * first_view), n, std::bit_width(depths.unseen())).values;
    std::uint32_t* const begins = starts.resize(queue, n, "places of Gaussians");
    exclusive_sum<Cuda>(queue, View<Cuda, const std::uint32_t, 1>(projected.counts, {counts.size()}),
                        View<Cuda, const std::uint32_t, 1>(rows, {n}), View<Cuda, std::uint32_t, 1>(begins, {n}),
                        room(sum_bytes<Cuda>(n)));
    const SortPairs<std::uint32_t> listed = by_tile.take(queue, entries, "lists of Gaussians");
    zero_bytes(queue, ranges, static_cast<std::size_t>(tiles_per_view * views) * sizeof(uint2));
    cuda::launch(queue, kWhere, list_kernel<kThreads>, dim3(cuda::blocks_for(kWhere, n, kThreads)), dim3(kThreads), 0, n,
                 gaussians, static_cast<std::uint32_t>(first_view), rows, begins, projected.counts, projected.tiles,
                 static_cast<std::uint32_t>(view.columns), static_cast<std::uint32_t>(tiles_per_view),
                 Entries{listed.keys, listed.values});
    const SortPairs<std::uint32_t> sorted =
        sort(listed, entries, std::bit_width(static_cast<std::uint64_t>(tiles_per_view * views - 1)));
    for_each(queue, kWhere, entries, FindLists{sorted.keys, entries, ranges});
    return sorted.values;
  }

  [[nodiscard]] static Views views_of(std::span<const Camera> cameras, const SplatOptions& options) {
    Views views{};
    for (std::size_t v = 0; v < cameras.size(); ++v) views.at[v] = view_point_of(cameras[v], options);
    return views;
  }
  void run_projection(const Views& views, int count, DepthKeys depths, const Projected& out, unsigned long long* sums) {
    cuda::launch(queue, kWhere, project_kernel<kThreads>,
                 dim3(cuda::blocks_for(kWhere, gaussians, kThreads), static_cast<unsigned>(count)), dim3(kThreads), 0, views,
                 scene, gaussians, depths, out, sums);
  }

  // Entries of the lists of every view. The host waits for them here, once for all views: waits between views would leave the
  // GPU idle for longer than it takes to draw one.
  std::vector<unsigned long long> count_entries(std::span<const Camera> cameras, const SplatOptions& options) {
    std::vector<unsigned long long> entries(cameras.size());
    if (gaussians == 0) return entries;
    auto* const sums = totals.resize(queue, static_cast<std::int64_t>(entries.size()), "counts of views");
    const std::size_t bytes = entries.size() * sizeof(entries[0]);
    zero_bytes(queue, sums, bytes);
    for (std::size_t first = 0; first < cameras.size(); first += kMaxViews) {
      const auto some = cameras.subspan(first, std::min<std::size_t>(kMaxViews, cameras.size() - first));
      run_projection(views_of(some, options), static_cast<int>(some.size()), {}, {}, sums + first);
    }
    download_bytes(queue, sums, entries.data(), bytes);
    return entries;
  }

  // Draws up to kMaxViews views of equal size.
  void draw_samples(std::span<const Camera> cameras, std::span<const unsigned long long> entries_of_views,
                    const SplatOptions& options, float* colour, float* alpha) {
    const Views views = views_of(cameras, options);
    const int count = static_cast<int>(cameras.size());
    const ViewPoint& view = views.at[0];
    const std::int64_t n = gaussians * count, samples = std::int64_t{view.width} * view.height;
    const std::int64_t tiles_per_view = std::int64_t{view.columns} * view.rows;
    const DepthKeys depths = depth_keys(views, count);
    const SortPairs<std::uint32_t> pairs = by_depth.take(queue, n, "depths of Gaussians");
    const Projected projected{splats.resize(queue, n, "projected Gaussians"), tiles.resize(queue, n, "tiles of Gaussians"),
                              counts.resize(queue, n, "counts of Gaussians"), pairs.keys, pairs.values};
    uint2* const ranges = lists.resize(queue, tiles_per_view * count, "tiles");
    if (gaussians > 0) run_projection(views, count, depths, projected, nullptr);
    // As many views together as the lists allow.
    for (int first = 0, last = 0; first < count; first = last) {
      std::uint64_t entries = 0;
      while (last < count && (last == first || entries + entries_of_views[static_cast<std::size_t>(last)] <= kMaxEntries)) {
        entries += entries_of_views[static_cast<std::size_t>(last++)];
      }
      if (entries > kMostEntries) {
        fail(ErrorCode::out_of_memory, "the Gaussians cover more than 2^31 tiles of an image of ", view.width, " x ",
             view.height, " samples", hint("choose a smaller image or a camera that is farther away"));
      }
      const std::uint32_t* listed = nullptr;
      if (entries > 0) {
        listed = list_entries(view, projected, first, last - first, static_cast<std::int64_t>(entries), depths, pairs, ranges);
      } else {
        zero_bytes(queue, ranges, static_cast<std::size_t>(tiles_per_view * (last - first)) * sizeof(uint2));
      }
      const Target target{colour + 3 * samples * first,
                          alpha + samples * first,
                          {options.background[0], options.background[1], options.background[2]},
                          view.width,
                          view.height,
                          view.columns,
                          view.rows};
      cuda::launch(queue, kWhere, blend_kernel, dim3(cuda::blocks_for(kWhere, tiles_per_view * (last - first), 1)),
                   dim3(kBlendThreads), 0, ranges, listed, projected.splats, target);
    }
  }

  void draw(std::span<const Camera> cameras, std::span<const unsigned long long> entries, const SplatOptions& options,
            float* colour, float* alpha) {
    if (options.ssaa == 1) {
      draw_samples(cameras, entries, options, colour, alpha);
      return;
    }
    const auto count = static_cast<std::int64_t>(cameras.size());
    const std::int64_t height = std::int64_t{options.height} * options.ssaa, width = std::int64_t{options.width} * options.ssaa;
    const std::int64_t samples = height * width, pixels = std::int64_t{options.height} * options.width;
    float* const all = fine.resize(queue, 4 * samples * count, "samples of images");
    draw_samples(cameras, entries, options, all, all + 3 * samples * count);
    for (std::int64_t v = 0; v < count; ++v) {
      downsample<Cuda>(queue, View<Cuda, const float, 3>(all + 3 * samples * v, {height, width, 3}), options.ssaa,
                       View<Cuda, float, 3>(colour + 3 * pixels * v, {options.height, options.width, 3}));
      downsample<Cuda>(queue, View<Cuda, const float, 3>(all + 3 * samples * count + samples * v, {height, width, 1}),
                       options.ssaa, View<Cuda, float, 3>(alpha + pixels * v, {options.height, options.width, 1}));
    }
  }

  void render(std::span<const Camera> cameras, const SplatOptions& options, float* colour, float* alpha) {
    const std::int64_t pixels = std::int64_t{options.width} * options.height;
    std::int64_t together = std::clamp<std::int64_t>(kMaxRows / std::max<std::int64_t>(gaussians, 1), 1, kMaxViews);
    if (options.ssaa > 1) {
      together = std::clamp<std::int64_t>(kMaxSamples / (pixels * options.ssaa * options.ssaa), 1, together);
    }
    const std::vector<unsigned long long> entries = count_entries(cameras, options);
    const std::span<const unsigned long long> all = entries;
    for (std::size_t first = 0; first < cameras.size(); first += static_cast<std::size_t>(together)) {
      queue.check();
      const std::size_t count = std::min(static_cast<std::size_t>(together), cameras.size() - first);
      const auto at = static_cast<std::int64_t>(first);
      draw(cameras.subspan(first, count), all.subspan(first, count), options, colour + 3 * at * pixels, alpha + at * pixels);
    }
  }
};

template class SplatRenderer<Cuda>;

}  // namespace espalier
