// Edits whose outcome is known: an object, a box around one of its parts, and the object with another part in that box.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "held_out.h"

namespace espalier::quality {

struct EditCase {
  HeldOutObject before, after;  // the same outside the box
  std::array<float, 6> box{};   // low corner, high corner; borders between voxels
  [[nodiscard]] std::string region() const;
};

// The part is what stands on the rest of the object; in `before` it has 0.6 of its width and depth and other colours. So what
// is to come out is an object as the networks know them. Nothing where no such part is between a fifth and two thirds of the
// object's height.
[[nodiscard]] std::optional<EditCase> edit_case_of(const HeldOutObject& object);

// The first `count` of them, of at most `per_family` objects of a family.
[[nodiscard]] std::vector<EditCase> edit_cases(std::span<const HeldOutObject> objects, std::size_t count,
                                               std::size_t per_family);

}  // namespace espalier::quality
