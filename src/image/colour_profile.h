// Colour profiles (ICC): from what a file's numbers mean to sRGB, through lcms2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/codec_parts.h"
#include "image/image.h"

namespace espalier::codec {

// Colours of `image` (RGB or RGBA; gray ones repeat their value) from the profile's space to sRGB; alpha stays. A profile
// that says sRGB, within two steps of 255 everywhere, changes no byte. One that cannot be used, because it is damaged or is of
// another kind of colours, leaves the image as it is, with a notice.
void convert_to_srgb(Image& image, Bytes profile, const Source& source);

// RGB of samples of cyan, magenta, yellow and black, 4 bytes per pixel, `inverted` where 255 is no ink. Through the profile, or
// where there is none or it cannot be used (with a notice) as the plain product of the inks that are missing.
[[nodiscard]] Image rgb_of_cmyk(int width, int height, std::vector<std::uint8_t> samples, bool inverted, Bytes profile,
                                const Source& source);

// The primaries of ITU-T H.273 that are not those of sRGB and that images come in.
enum class Primaries { display_p3, bt2020 };
// As above, for an image that names its primaries instead of carrying a profile; the transfer function is taken as sRGB's.
void convert_to_srgb(Image& image, Primaries primaries);

}  // namespace espalier::codec
