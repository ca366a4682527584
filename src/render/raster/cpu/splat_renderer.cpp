#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "parallel/cpu/lanes.h"
#include "parallel/parallel_for.h"
#include "render/raster/downsample.h"
#include "render/raster/splat_renderer_impl.h"

namespace espalier {

namespace {

using namespace cpu;
using namespace splat;

static_assert(kTile == 2 * kLanes);

// Sorts by the upper half of the elements; stable.
class DepthSort {
 public:
  void operator()(std::vector<std::uint64_t>& items) {
    std::array<std::array<std::uint32_t, kBins>, kPasses> counts{};
    for (const std::uint64_t item : items) {
      for (int pass = 0; pass < kPasses; ++pass) ++counts[static_cast<std::size_t>(pass)][digit(item, pass)];
    }
    other_.resize(items.size());
    for (int pass = 0; pass < kPasses && !items.empty(); ++pass) {
      auto& count = counts[static_cast<std::size_t>(pass)];
      if (count[digit(items[0], pass)] == items.size()) continue;
      std::uint32_t sum = 0;
      for (std::uint32_t& c : count) sum += std::exchange(c, sum);
      for (const std::uint64_t item : items) other_[count[digit(item, pass)]++] = item;
      items.swap(other_);
    }
  }

 private:
  static constexpr int kBits = 11, kPasses = 3;
  static constexpr std::size_t kBins = std::size_t{1} << kBits;
  static std::size_t digit(std::uint64_t item, int pass) { return (item >> (32 + kBits * pass)) & (kBins - 1); }
  std::vector<std::uint64_t> other_;
};

// Everything that one view needs on the way.
struct Workspace {
  struct Entry {
    std::int32_t tile;
    std::uint32_t splat;
  };
  struct Chunk {
    std::vector<Entry> entries;
    std::vector<std::uint32_t> places;  // per tile: entries, then where the next one goes
  };
  std::vector<Splat> splats;
  std::vector<Tiles> tiles;
  std::vector<std::uint64_t> order;  // bits of the depth, index
  DepthSort sort;
  std::vector<Chunk> chunks;
  std::vector<std::uint32_t> begins;  // [tiles + 1]
  std::vector<std::uint32_t> lists;   // splats of each tile, nearest first
  std::vector<float> fine;            // samples, when there is more than one per pixel
};

// Fills splats, tiles and order.
void project_all(const HostScene& host, const ViewPoint& view, Workspace& work) {
  const Scene scene = host.scene();
  const auto n = static_cast<std::size_t>(host.count());
  work.splats.resize(n);
  work.tiles.resize(n);
  work.order.resize(n);
  constexpr std::uint64_t kUnseen = ~std::uint64_t{0};
  parallel_for(host.count(), 1024, [&](std::int64_t at) {
    const auto i = static_cast<std::size_t>(at);
    float depth = 0.0F;
    const TileBox box = project(scene, at, view, work.splats[i], depth);
    work.tiles[i] = tiles_of(work.splats[i], box, view);
    work.order[i] = work.tiles[i].drawn != 0
                        ? std::uint64_t{std::bit_cast<std::uint32_t>(depth)} << 32U | static_cast<std::uint64_t>(at)
                        : kUnseen;
  });
  work.order.erase(std::remove(work.order.begin(), work.order.end(), kUnseen), work.order.end());
  work.sort(work.order);
}

// Fills begins and lists. Chunks of the depth order are listed side by side; then every chunk knows where its entries go.
void list_tiles(const ViewPoint& view, Workspace& work) {
  const auto tiles = static_cast<std::size_t>(view.columns) * static_cast<std::size_t>(view.rows);
  const std::size_t n = work.order.size();
  const std::size_t chunks = std::clamp<std::size_t>(n / 4096, 1, static_cast<std::size_t>(worker_count()) * 2);
  work.chunks.resize(chunks);
  parallel_for(static_cast<std::int64_t>(chunks), 1, [&](std::int64_t at) {
    Workspace::Chunk& chunk = work.chunks[static_cast<std::size_t>(at)];
    chunk.entries.clear();
    chunk.places.assign(tiles, 0);
    const std::size_t begin = n * static_cast<std::size_t>(at) / chunks, end = n * (static_cast<std::size_t>(at) + 1) / chunks;
    for (std::size_t k = begin; k < end; ++k) {
      const auto i = static_cast<std::uint32_t>(work.order[k]);
      const Tiles& covered = work.tiles[i];
      const auto add = [&](int tile) {
        chunk.entries.push_back({tile, i});
        ++chunk.places[static_cast<std::size_t>(tile)];
      };
      if (covered.large()) {
        for (int place = 0; place < covered.area(); ++place) add(covered.tile(place, view.columns));
        continue;
      }
      for (std::uint64_t todo = covered.drawn; todo != 0; todo &= todo - 1) {
        add(covered.tile(std::countr_zero(todo), view.columns));
      }
    }
  });
  std::uint64_t sum = 0;
  work.begins.resize(tiles + 1);
  for (std::size_t t = 0; t < tiles; ++t) {
    work.begins[t] = static_cast<std::uint32_t>(sum);
    for (Workspace::Chunk& chunk : work.chunks) {
      const std::uint32_t count = std::exchange(chunk.places[t], static_cast<std::uint32_t>(sum));
      sum += count;
    }
    if (sum > std::numeric_limits<std::uint32_t>::max()) {
      fail(ErrorCode::out_of_memory, "the Gaussians cover more than 2^32 tiles of an image of ", view.width, " x ", view.height,
           " samples", hint("choose a smaller image or a camera that is farther away"));
    }
  }
  work.begins[tiles] = static_cast<std::uint32_t>(sum);
  work.lists.resize(sum);
  parallel_for(static_cast<std::int64_t>(chunks), 1, [&](std::int64_t at) {
    Workspace::Chunk& chunk = work.chunks[static_cast<std::size_t>(at)];
    for (const Workspace::Entry& entry : chunk.entries) {
      work.lists[chunk.places[static_cast<std::size_t>(entry.tile)]++] = entry.splat;
    }
  });
}

bool any(IntLanes mask) {
#ifdef __AVX__
  return _mm256_movemask_ps(std::bit_cast<__m256>(mask)) != 0;
#else
  std::int32_t all = 0;
  for (int i = 0; i < kLanes; ++i) all |= mask[i];
  return all != 0;
#endif
}
Lanes choose(IntLanes mask, Lanes yes, Lanes no) {
#ifdef __AVX__
  return _mm256_blendv_ps(no, yes, std::bit_cast<__m256>(mask));
#else
  return mask ? yes : no;
#endif
}

// Eight samples of a row. The transmittance of a finished sample carries a negative sign.
struct Stripe {
  Lanes transmittance, red, green, blue;
};
constexpr int kStripes = 2 * kTile;

const Lanes kRamp = {0, 1, 2, 3, 4, 5, 6, 7};

// Blends a splat into a stripe whose first sample has offset (u, v). False when the stripe is finished.
bool blend(const Splat& s, float u, float v, Stripe& stripe) {
  const Lanes us = kRamp + u;
  const Lanes power = multiply_add(multiply_add(fill(s.a), us, fill(s.b * v)), us, fill(s.c * v * v));
  const Lanes before = stripe.transmittance;
  // The bound is loose, so that the comparison of alpha decides.
  IntLanes drawn = (power <= 0.0F) & (power >= s.least - 1e-3F) & (before > 0.0F);
  if (!any(drawn)) return true;
  const Lanes alpha = minimum(fill(kMostAlpha), s.opacity * exponential_in_range(power));
  drawn &= alpha >= kLeastAlpha;
  const Lanes after = before * (1.0F - alpha);
  const IntLanes finishes = drawn & (after < kLeastTransmittance);
  drawn &= ~finishes;
  const Lanes weight = choose(drawn, alpha * before, Lanes{});
  stripe.red = multiply_add(weight, fill(s.red), stripe.red);
  stripe.green = multiply_add(weight, fill(s.green), stripe.green);
  stripe.blue = multiply_add(weight, fill(s.blue), stripe.blue);
  if (!any(finishes)) {
    stripe.transmittance = choose(drawn, after, before);
    return true;
  }
  stripe.transmittance = choose(finishes, -before, choose(drawn, after, before));
  return any(stripe.transmittance > 0.0F);
}

// The stripes of a tile that a splat may reach, two bits per row.
std::uint32_t reach_of(const Splat& s, float left, float top) {
  // Samples from first to last, as offsets in the tile; conversions are safe because the values are clamped.
  constexpr float kEnd = static_cast<float>(kTile);
  const float low = std::clamp(std::ceil(s.y - s.half_height - top - 0.5F), 0.0F, kEnd);
  const float high = std::clamp(std::floor(s.y + s.half_height - top - 0.5F) + 1.0F, low, kEnd);
  const auto rows =
      (std::uint64_t{1} << 2U * static_cast<unsigned>(high)) - (std::uint64_t{1} << 2U * static_cast<unsigned>(low));
  constexpr float kMiddle = static_cast<float>(kLanes);
  std::uint32_t columns = 0;
  if (s.x - s.half_width - left <= kMiddle - 0.5F) columns |= 0x55555555U;
  if (s.x + s.half_width - left >= kMiddle + 0.5F) columns |= 0xAAAAAAAAU;
  return static_cast<std::uint32_t>(rows) & columns;
}

// Where the samples of a view go.
struct Target {
  float* colour;  // [height, width, 3]
  float* alpha;   // [height, width]
  std::array<float, 3> background;
};

void draw_tile(const ViewPoint& view, const Workspace& work, int column, int row, const Target& target) {
  std::array<Stripe, kStripes> stripes;
  const int left = column * kTile, top = row * kTile;
  const int rows = std::min(kTile, view.height - top), columns = std::min(kTile, view.width - left);
  std::uint32_t open = 0;  // stripes with unfinished samples
  for (int k = 0; k < kStripes; ++k) {
    const bool inside = k / 2 < rows && (k % 2) * static_cast<int>(kLanes) < columns;
    stripes[static_cast<std::size_t>(k)] = Stripe{fill(1.0F), Lanes{}, Lanes{}, Lanes{}};
    if (inside) open |= 1U << static_cast<unsigned>(k);
  }
  const auto tile = static_cast<std::size_t>(row) * static_cast<std::size_t>(view.columns) + static_cast<std::size_t>(column);
  const std::uint32_t end = work.begins[tile + 1];
  constexpr std::uint32_t kAhead = 8;
  for (std::uint32_t at = work.begins[tile]; at < end && open != 0; ++at) {
    if (at + kAhead < end) __builtin_prefetch(&work.splats[work.lists[at + kAhead]]);
    const Splat& s = work.splats[work.lists[at]];
    const float u = static_cast<float>(left) + 0.5F - s.x, v = static_cast<float>(top) + 0.5F - s.y;
    for (std::uint32_t todo = open & reach_of(s, static_cast<float>(left), static_cast<float>(top)); todo != 0;
         todo &= todo - 1) {
      const int k = std::countr_zero(todo);
      const float along = k % 2 == 0 ? u : u + static_cast<float>(kLanes);
      const int down = k / 2;
      if (!blend(s, along, v + static_cast<float>(down), stripes[static_cast<std::size_t>(k)])) {
        open &= ~(1U << static_cast<unsigned>(k));
      }
    }
  }
  for (int y = 0; y < rows; ++y) {
    const std::int64_t start = std::int64_t{top + y} * view.width + left;
    for (int x = 0; x < columns; ++x) {
      const Stripe& stripe =
          stripes[2 * static_cast<std::size_t>(y) + static_cast<std::size_t>(x) / static_cast<std::size_t>(kLanes)];
      const auto lane = static_cast<std::size_t>(x % static_cast<int>(kLanes));
      const float rest = std::abs(stripe.transmittance[lane]);
      float* const pixel = target.colour + 3 * (start + x);
      pixel[0] = stripe.red[lane] + rest * target.background[0];
      pixel[1] = stripe.green[lane] + rest * target.background[1];
      pixel[2] = stripe.blue[lane] + rest * target.background[2];
      target.alpha[start + x] = 1.0F - rest;
    }
  }
}

void draw_samples(Queue<Cpu>& queue, const HostScene& scene, const ViewPoint& view, const Target& target, Workspace& work) {
  queue.check();
  project_all(scene, view, work);
  queue.check();
  list_tiles(view, work);
  // Short runs of tiles, mixed, so that every range that a core gets has its share of the full ones.
  constexpr std::int64_t kRun = 8, kMix = 1000003;
  const std::int64_t tiles = std::int64_t{view.columns} * view.rows, runs = (tiles + kRun - 1) / kRun;
  const auto draw_run = [&](std::int64_t i) {
    const std::int64_t run = i * kMix % runs;
    for (std::int64_t t = run * kRun; t < std::min((run + 1) * kRun, tiles); ++t) {
      draw_tile(view, work, static_cast<int>(t % view.columns), static_cast<int>(t / view.columns), target);
    }
  };
  constexpr std::int64_t kBlock = 2048;  // runs between looks at the monitor: four million samples
  for (std::int64_t first = 0; first < runs; first += kBlock) {
    queue.check();
    parallel_for(std::min(kBlock, runs - first), 1, [&](std::int64_t i) { draw_run(first + i); });
  }
}

}  // namespace

template <>
struct SplatRenderer<Cpu>::State {
  Queue<Cpu>& queue;
  HostScene scene;
  std::vector<Workspace> workspaces{};  // one per view that is drawn at the same time

  State(Queue<Cpu>& q, HostScene host) : queue(q), scene(std::move(host)) {}

  void draw_view(const Camera& camera, const SplatOptions& options, View<Cpu, float, 3> colour, View<Cpu, float, 2> alpha,
                 Workspace& work) {
    const ViewPoint view = view_point_of(camera, options);
    if (options.ssaa == 1) {
      draw_samples(queue, scene, view, {colour.data(), alpha.data(), options.background}, work);
      return;
    }
    const std::int64_t samples = std::int64_t{view.width} * view.height;
    work.fine.resize(static_cast<std::size_t>(4 * samples));
    float* const fine = work.fine.data();
    draw_samples(queue, scene, view, {fine, fine + 3 * samples, options.background}, work);
    downsample<Cpu>(queue, View<Cpu, const float, 3>(fine, {view.height, view.width, 3}), options.ssaa, colour);
    downsample<Cpu>(queue, View<Cpu, const float, 3>(fine + 3 * samples, {view.height, view.width, 1}), options.ssaa,
                    View<Cpu, float, 3>(alpha.data(), {options.height, options.width, 1}));
  }

  void render(std::span<const Camera> cameras, const SplatOptions& options, float* colour, float* alpha) {
    const std::int64_t pixels = std::int64_t{options.width} * options.height;
    const auto draw = [&](std::size_t i, Workspace& work) {
      const auto at = static_cast<std::int64_t>(i);
      draw_view(cameras[i], options, {colour + 3 * at * pixels, {options.height, options.width, 3}},
                {alpha + at * pixels, {options.height, options.width}}, work);
    };
    // Whole views side by side wait for each other least, but each needs its memory; what is left over is drawn view by view
    // with all cores on each.
    constexpr int kTeam = 16;
    constexpr std::int64_t kLargeView = std::int64_t{1} << 22U;  // samples
    const bool small = pixels * options.ssaa * options.ssaa <= kLargeView;
    const auto team = static_cast<std::size_t>(small ? std::min(worker_count(), kTeam) : 1);
    const std::size_t together = team > 1 ? cameras.size() / team * team : 0;
    workspaces.resize(std::max(workspaces.size(), std::size_t{together > 0 ? team : 1}));
    parallel_ranges(static_cast<std::int64_t>(together > 0 ? team : 0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto worker = static_cast<std::size_t>(begin); worker < static_cast<std::size_t>(end); ++worker) {
        for (std::size_t i = worker; i < together; i += team) draw(i, workspaces[worker]);
      }
    });
    for (std::size_t i = together; i < cameras.size(); ++i) draw(i, workspaces[0]);
  }
};

template class SplatRenderer<Cpu>;

}  // namespace espalier
