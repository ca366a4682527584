#include "image/background.h"

#include "base/error.h"

namespace espalier {

Cutout remove_background(const Picture&) {
  fail(ErrorCode::unsupported, "background removal is not built yet; give a PNG with a transparent background");
}

}  // namespace espalier
