// Polygons of files as triangles.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace espalier {

// Cuts polygons by clipping ears (Meisters 1975) in the plane that fits them best, so that area and orientation are those of
// the polygon, concave or not quite flat as it may be. Convex ones become fans around their first corner.
class PolygonCutter {
 public:
  using Point = std::array<float, 3>;
  // Triples of numbers of corners, corners.size() - 2 of them; valid until the next call. A polygon that crosses itself
  // gives triangles, too, in some order. Fewer than three corners: none.
  [[nodiscard]] std::span<const std::int32_t> cut(std::span<const Point> corners);
  // Whether a polygon became a fan without being convex, because all polygons together would have taken too long.
  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  struct Flat {
    double x, y;
  };
  [[nodiscard]] static double turn(const Flat& a, const Flat& b, const Flat& c) {
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
  }
  void flatten(std::span<const Point> corners);
  [[nodiscard]] bool convex() const;
  [[nodiscard]] bool is_ear(std::int32_t corner);
  [[nodiscard]] bool turns_out(std::int32_t corner) const;
  void link(std::int32_t count);
  void clip_all(std::int32_t count);
  void fan(std::int32_t count);

  std::vector<Flat> flat_;
  std::vector<std::int32_t> next_, before_;  // ring of what is left
  std::vector<std::int32_t> hollow_;         // corners that turn inwards, from left to right
  std::vector<bool> left_;
  std::vector<std::int32_t> triangles_;
  std::uint64_t work_left_ = 30'000'000;
  bool gave_up_ = false;
};

}  // namespace espalier
