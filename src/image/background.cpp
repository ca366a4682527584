#include "image/background.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "image/background_model.h"
#include "image/plane.h"

namespace espalier {

namespace {

constexpr int kEverywhere = std::numeric_limits<int>::max();
using Rgb = std::array<float, 3>;

// How far every pixel is from the colour of the background behind it.
struct Difference {
  Plane<float> total;      // OKLab distance
  Plane<float> lightness;  // negative where the pixel is darker
  Plane<float> colour;     // distance without lightness
};

Difference difference_of(const Plane<Lab>& image, const BackgroundModel& model) {
  Difference d{Plane<float>(image.width, image.height), Plane<float>(image.width, image.height),
               Plane<float>(image.width, image.height)};
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const Lab &p = image(x, y), b = model.at(x, y);
      d.total(x, y) = distance(p, b);
      d.lightness(x, y) = p[0] - b[0];
      d.colour(x, y) = std::hypot(p[1] - b[1], p[2] - b[2]);
    }
  }
  return d;
}

template <class T, class Condition>
Mask mask_where(const Plane<T>& shape, Condition condition) {
  Mask mask(shape.width, shape.height);
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) mask(x, y) = condition(x, y) ? 1 : 0;
  }
  return mask;
}

template <class T>
Mask border_of(const Plane<T>& shape) {
  return mask_where(shape, [&](int x, int y) { return x == 0 || y == 0 || x == shape.width - 1 || y == shape.height - 1; });
}

Mask both(Mask a, const Mask& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] &= b.values[i];
  return a;
}
Mask either(Mask a, const Mask& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] |= b.values[i];
  return a;
}
Mask inverse(Mask a) {
  for (std::uint8_t& v : a.values) v = v == 0 ? 1 : 0;
  return a;
}

Plane<Lab> smoothed(const Plane<Lab>& image, int rounds) {
  Plane<Lab> out = image;
  Plane<float> channel(image.width, image.height);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < channel.values.size(); ++i) channel.values[i] = image.values[i][c];
    for (int r = 0; r < rounds; ++r) channel = box_mean(channel, 1);
    for (std::size_t i = 0; i < channel.values.size(); ++i) out.values[i][c] = channel.values[i];
  }
  return out;
}

// What a square of `crack` pixels to each side reaches from `seeds` without leaving `open`. Gaps that are narrower stop it, so
// that an object does not run out where its outline happens to have the background's colour.
Mask spread(const Mask& seeds, const Mask& open, int crack) {
  const Mask wide = eroded(open, crack);
  Mask reached = both(wide, seeds);
  flood(reached, wide, kEverywhere);
  return both(dilated(reached, crack), open);
}

Mask plain_background(const Plane<float>& total, float tolerance) {
  constexpr int kCrack = 2;
  return spread(border_of(total), mask_where(total, [&](int x, int y) { return total(x, y) <= tolerance; }), kCrack);
}

// Change of the colour per pixel.
Plane<float> slope_of(const Plane<Lab>& image) {
  Plane<float> slope(image.width, image.height);
  constexpr int kReach = 2;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const int x0 = std::max(x - kReach, 0), x1 = std::min(x + kReach, image.width - 1);
      const int y0 = std::max(y - kReach, 0), y1 = std::min(y + kReach, image.height - 1);
      const float along_x = distance(image(x0, y), image(x1, y)) / static_cast<float>(std::max(x1 - x0, 1));
      const float along_y = distance(image(x, y0), image(x, y1)) / static_cast<float>(std::max(y1 - y0, 1));
      slope(x, y) = std::hypot(along_x, along_y);
    }
  }
  return slope;
}

// Background that is only nearly of the expected colour: soft shadows (darker, of its hue) and what the smooth model
// misses. It must have no edges, be connected to the background over more than a crack, and not lie inside the object.
Mask doubtful_background(const Mask& background, const Difference& d, const Plane<Lab>& smooth, float noise) {
  constexpr float kDarkest = 45.0F;
  constexpr int kCrack = 3;
  const Plane<float> slope = slope_of(smooth);
  const Mask open = mask_where(background, [&](int x, int y) {
    if (background(x, y) != 0) return true;
    const float darker = std::max(-d.lightness(x, y), 0.0F);
    if (slope(x, y) > 0.6F + 0.3F * noise + 0.03F * darker) return false;
    return d.lightness(x, y) < 2.0F + noise && darker < kDarkest && d.colour(x, y) < 1.5F + noise + 0.06F * darker;
  });
  return spread(background, open, kCrack);
}

// Background seen through openings of the object: enclosed, of exactly the background's colour, with a sharp outline (a
// glow or a highlight has a soft one), and not tiny.
Mask openings(const Mask& background, const Difference& d, float noise) {
  const float tight = 1.0F + 1.2F * noise;
  constexpr float kSharp = 5.0F;
  constexpr int kEdge = 3;
  const Mask candidates = mask_where(background, [&](int x, int y) { return background(x, y) == 0 && d.total(x, y) < tight; });
  const Components parts = components(candidates);
  const Plane<float> strongest = box_maximum(d.total, kEdge);
  const Mask inner = eroded(candidates, 1);
  struct Tally {
    double difference = 0.0;
    std::size_t rim = 0, sharp = 0;
  };
  std::vector<Tally> tallies(parts.sizes.size());
  for (std::size_t i = 0; i < candidates.values.size(); ++i) {
    Tally& t = tallies[static_cast<std::size_t>(parts.label.values[i])];
    t.difference += d.total.values[i];
    if (inner.values[i] != 0) continue;
    ++t.rim;
    if (strongest.values[i] > kSharp) ++t.sharp;
  }
  const std::size_t least = std::max<std::size_t>(24, candidates.values.size() / 10000);
  Mask out(background.width, background.height);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const auto part = static_cast<std::size_t>(parts.label.values[i]);
    if (part == 0 || parts.sizes[part] < least) continue;
    const Tally& t = tallies[part];
    const bool alike = t.difference < 0.6 * tight * static_cast<double>(parts.sizes[part]);
    out.values[i] = alike && t.sharp * 5 >= t.rim * 2 ? 1 : 0;
  }
  // A line drawing is nearly all openings, and it means its white to be there.
  if (count(out) * 2 > count(inverse(background))) return Mask(out.width, out.height);
  return out;
}

// Takes the ringing of JPEG and faintly covered pixels off the object: differences that are small against those a few
// pixels further in.
void peel(Mask& background, const Plane<float>& total) {
  constexpr int kReach = 6;
  constexpr float kSmall = 0.15F;
  const Plane<float> strongest = box_maximum(total, kReach);
  const Mask open = mask_where(total, [&](int x, int y) { return total(x, y) < kSmall * strongest(x, y); });
  flood(background, open, kReach + 2);
}

// Isolated specks are noise, unless the object is hardly more itself.
void drop_specks(Mask& background) {
  const Components objects = components(inverse(background));
  const std::size_t largest = objects.sizes.size() > 1 ? *std::max_element(objects.sizes.begin() + 1, objects.sizes.end()) : 0;
  const std::size_t least = std::max<std::size_t>(largest / 2000, 12);
  for (std::size_t i = 0; i < background.values.size(); ++i) {
    const auto part = static_cast<std::size_t>(objects.label.values[i]);
    if (part != 0 && objects.sizes[part] < least) background.values[i] = 1;
  }
}

Rgb rgb_at(const Image& image, int x, int y) {
  const std::uint8_t* p = image.at(x, y);
  return {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2])};
}

float dot(const Rgb& a, const Rgb& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Rgb minus(const Rgb& a, const Rgb& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

// A pixel taken apart: the share of the object, and the object's own colour near it.
struct Matte {
  float alpha = 0.0F;
  Rgb solid = {};
  bool known = false;  // false where no colour nearby differs from the background
};

// The search for the mixture that explains one pixel best.
class Unmixing {
 public:
  Unmixing(const Image& image, const Rgb& behind, int x, int y, float noise)
      : image_(image), behind_(behind), seen_(minus(rgb_at(image, x, y), behind)), spread_(20.0F + 30.0F * noise * noise) {}

  // Tries the colour of the pixel (x, y) as that of the object. Of colours that explain the pixel equally well the one
  // with the smaller penalty wins.
  void consider(int x, int y, float penalty) {
    constexpr float kIndistinct = 9.0F;  // squared difference of bytes
    const Rgb solid = rgb_at(image_, x, y);
    const Rgb direction = minus(solid, behind_);
    const float length = dot(direction, direction);
    if (length < kIndistinct) return;
    const float alpha = std::clamp(dot(seen_, direction) / length, 0.0F, 1.0F);
    const Rgb rest = minus(seen_, {alpha * direction[0], alpha * direction[1], alpha * direction[2]});
    const float cost = dot(rest, rest) / spread_ + penalty;
    if (best_.known && cost >= cost_) return;
    cost_ = cost;
    best_ = {alpha, solid, true};
  }
  [[nodiscard]] const Matte& best() const { return best_; }

 private:
  const Image& image_;
  Rgb behind_, seen_;
  float spread_;
  float cost_ = 0.0F;
  Matte best_;
};

Box window(const Image& image, int x, int y, int reach) {
  return {std::max(x - reach, 0), std::max(y - reach, 0), std::min(x + reach + 1, image.width),
          std::min(y + reach + 1, image.height)};
}

// Splits a pixel at the edge into object and background. Candidates for the object's colour are the pixels of its core
// nearby; a part too thin to have a core is taken to be solid where it differs most.
Matte unmix(const Image& image, const Mask& core, const Plane<float>& total, const Rgb& behind, int x, int y, float noise) {
  constexpr int kReach = 6, kThin = 2;
  constexpr float kDistancePenalty = 0.02F;
  Unmixing search(image, behind, x, y, noise);
  const Box around = window(image, x, y, kReach);
  for (int py = around.y0; py < around.y1; ++py) {
    for (int px = around.x0; px < around.x1; ++px) {
      const int dx = px - x, dy = py - y;
      if (core(px, py) != 0) search.consider(px, py, kDistancePenalty * static_cast<float>(dx * dx + dy * dy));
    }
  }
  if (search.best().known) return search.best();
  int strongest_x = x, strongest_y = y;
  const Box close = window(image, x, y, kThin);
  for (int py = close.y0; py < close.y1; ++py) {
    for (int px = close.x0; px < close.x1; ++px) {
      if (total(px, py) <= total(strongest_x, strongest_y)) continue;
      strongest_x = px;
      strongest_y = py;
    }
  }
  search.consider(strongest_x, strongest_y, 0.0F);
  return search.best();
}

// RGBA with a soft edge, two pixels to either side of the mask's. At the edge the background's share is taken out of the
// colours; the thinner the object's share, the more its colour is that of the solid part nearby.
Image matted(const Image& rgb, const Mask& background, const Plane<float>& total, const BackgroundModel& model, float noise) {
  constexpr int kEdge = 2;
  constexpr float kFaint = 0.06F;  // shares below are noise, and above one minus this solid
  const Mask object = inverse(background);
  const Mask near = dilated(object, kEdge), core = eroded(object, kEdge);
  Image out(rgb.width, rgb.height, 4);
  for (int y = 0; y < rgb.height; ++y) {
    for (int x = 0; x < rgb.width; ++x) {
      if (near(x, y) == 0) continue;
      std::uint8_t* p = out.at(x, y);
      std::copy_n(rgb.at(x, y), 3, p);
      p[3] = 255;
      if (core(x, y) != 0) continue;
      const Rgb behind = srgb_of_lab(model.at(x, y));
      const Matte m = unmix(rgb, core, total, behind, x, y, noise);
      const float share = m.known ? m.alpha : static_cast<float>(object(x, y));
      const float alpha = std::clamp((share - kFaint) / (1.0F - 2.0F * kFaint), 0.0F, 1.0F);
      p[3] = static_cast<std::uint8_t>(std::lround(alpha * 255.0F));
      if (alpha <= 0.0F || alpha >= 1.0F || !m.known) continue;
      for (std::size_t c = 0; c < 3; ++c) {
        const float freed = (static_cast<float>(p[c]) - (1.0F - alpha) * behind[c]) / alpha;
        p[c] = static_cast<std::uint8_t>(std::lround(std::clamp(alpha * freed + (1.0F - alpha) * m.solid[c], 0.0F, 255.0F)));
      }
    }
  }
  return out;
}

// What the object's shape says; the rest is for the caller.
BackgroundDoubt doubt_of(const Mask& background) {
  constexpr std::size_t kSpeck = 500;  // times smaller than the object: part of a fringe
  BackgroundDoubt doubt;
  const Mask object = inverse(background);
  const std::size_t solid = count(object);
  const Components parts = components(object);
  std::size_t largest = 0;
  for (std::size_t part = 1; part < parts.sizes.size(); ++part) {
    largest = std::max(largest, parts.sizes[part]);
    if (parts.sizes[part] * kSpeck >= solid) ++doubt.pieces;
  }
  const Mask border = border_of(background);
  doubt.kept = static_cast<double>(solid) / static_cast<double>(object.values.size());
  doubt.largest = solid > 0 ? static_cast<double>(largest) / static_cast<double>(solid) : 1.0;
  doubt.border = static_cast<double>(count(both(object, border))) / static_cast<double>(count(border));
  return doubt;
}

}  // namespace

// The limits lie between what plain backgrounds give (docs/background.md) and what textures give.
std::string BackgroundDoubt::reason() const {
  constexpr double kUnexplained = 0.22, kGrainy = 3.0, kSpread = 2.3, kLargest = 0.9, kBorder = 0.35, kKept = 0.003;
  constexpr int kPieces = 6;
  const auto percent = [](double part) { return std::lround(part * 100); };
  std::vector<std::string> reasons;
  if (unexplained > kUnexplained || grain > kGrainy || spread > kSpread) {
    const bool patchy = unexplained > kUnexplained;
    reasons.push_back(patchy ? str("the background is not plain (", percent(1.0 - unexplained),
                                   " % of the image's border has one smooth colour)")
                             : str("the background is not plain (its border is textured)"));
  }
  if (pieces >= kPieces || largest < kLargest) {
    reasons.push_back(str("what is left falls into ", pieces, " pieces, the largest ", percent(largest), " % of it"));
  }
  if (border > kBorder) reasons.push_back(str("what is left covers ", percent(border), " % of the image's border"));
  if (kept < kKept) reasons.push_back(str("next to nothing is left"));
  std::string all;
  for (const std::string& reason : reasons) all += (all.empty() ? "" : ", and ") + reason;
  return all;
}

Cutout remove_background(const Image& rgb) {
  require(rgb.channels == 3 && rgb.width > 0 && rgb.height > 0, "remove_background", "an image of ", rgb.width, " x ",
          rgb.height, " x ", rgb.channels);
  const Plane<Lab> lab = lab_of(rgb);
  BackgroundModel model(lab);
  const float noise = model.noise();
  const Plane<Lab> smooth = smoothed(lab, noise > 0.3F ? 2 : 1);
  const float tolerance = 1.5F + 1.5F * noise;
  Difference d = difference_of(smooth, model);
  Mask background = plain_background(d.total, tolerance);
  // Every round the model follows the background a little further, into gradients and shadows that the border does not show.
  constexpr int kRounds = 3, kMargin = 2;
  for (int round = 0; round < kRounds; ++round) {
    model.follow(lab, eroded(background, kMargin));
    d = difference_of(smooth, model);
    background = plain_background(d.total, tolerance);
    background = either(background, doubtful_background(background, d, smooth, noise));
  }
  background = either(background, openings(background, d, noise));
  peel(background, d.total);
  drop_specks(background);

  Cutout cutout;
  cutout.image = matted(rgb, background, difference_of(lab, model).total, model, noise);
  cutout.doubt = doubt_of(background);
  cutout.doubt.unexplained = 1.0 - static_cast<double>(model.explained());
  cutout.doubt.spread = model.spread();
  cutout.doubt.grain = noise;
  if (const std::string reason = cutout.doubt.reason(); !reason.empty()) {
    cutout.warnings.push_back(str(reason, ", so the outline of the object is a guess; ", kCutoutAdvice));
  }
  return cutout;
}

}  // namespace espalier
