// Videos: MP4 by way of the program ffmpeg, animated WebP without it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/monitor.h"
#include "image/image.h"

namespace espalier {

struct VideoOptions {
  int frames = 0;                 // > 0
  int frames_per_second = 30;     // 1 to 240
  int quality = 90;               // 0 to 100
  std::string comment = {};       // one line of ASCII
  std::string ffmpeg = "ffmpeg";  // a name that is looked up in PATH, or a path
};

// The image of a frame, 0 first; each is asked for once, in order. All have the size and channels of the first.
using FrameSource = std::function<Image(int frame)>;

// H.264 in MP4 (yuv420p, BT.709, for playing while it loads) of RGB frames; an odd side repeats its last row or column. Runs
// ffmpeg as a child: its input and output are pipes of this process, no shell and no temporary file is involved, and it is
// killed on cancellation, on errors, and when it takes no frame for two minutes. Signals of the caller are left alone.
//
// Throws unsupported when there is no ffmpeg (an animated WebP is the way out), io when it fails (with its own words),
// invalid_argument for options or frames that make no video, cancelled. The monitor hears of each frame.
[[nodiscard]] std::vector<std::byte> encode_mp4(const FrameSource& source, const VideoOptions& options, const Monitor* monitor);

// Whether that program can be started.
[[nodiscard]] bool has_ffmpeg(const std::string& program = "ffmpeg");

// An animated WebP that repeats for ever, of RGB or RGBA frames; quality 100 is lossless. The same frames give the same
// bytes. Throws as encode_mp4 does.
[[nodiscard]] std::vector<std::byte> encode_animated_webp(const FrameSource& source, const VideoOptions& options,
                                                          const Monitor* monitor);

}  // namespace espalier
