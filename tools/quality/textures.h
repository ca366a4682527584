// How close a finished asset comes to the decoded surface and to the object's own colours, with light taken out of its texture
// to several strengths.
#pragma once

#include <span>
#include <vector>

#include "espalier/espalier.h"
#include "held_out.h"

namespace espalier::quality {

struct TextureError {
  // Mean differences per channel, 0 ... 255, over texels all over the surface.
  double plain = 0;   // of the colours as they are
  double scaled = 0;  // of the colours times the one factor (in linear light) that brings them closest: light has no scale
  double off = 0;     // share of the texels of which a channel, after that factor, differs by more than 24
};

struct FinishedErrors {
  double surface = 0;                  // root mean square distance of visible points of the decoded surface, in diagonals
  std::vector<TextureError> textures;  // one for each strength of delight()
};

// Of the asset finished with its defaults and a texture of 512 texels.
[[nodiscard]] FinishedErrors finished_errors_of(const Asset& asset, const HeldOutObject& object,
                                                std::span<const double> strengths, const std::string& device);

}  // namespace espalier::quality
