// Rearrangements of volumes and images.
#include "ops/volume.h"

#include "harness.h"

namespace espalier::test {
namespace {

template <class Backend>
class Volume : public OpTest<Backend> {};
TYPED_TEST_SUITE(Volume, Backends, BackendNames);

TYPED_TEST(Volume, PatchesAndBack) {
  struct Shape {
    std::int64_t batch, channels, side;
    int patch;
  };
  for (const Shape s : {Shape{1, 8, 16, 1}, Shape{2, 3, 6, 2}, Shape{3, 5, 9, 3}, Shape{0, 4, 4, 2}}) {
    auto x = this->random(Extents<5>{s.batch, s.channels, s.side, s.side, s.side});
    const std::int64_t g = s.side / s.patch;
    const std::int64_t p = s.patch;
    auto tokens = this->poisoned(Extents<2>{s.batch * g * g * g, s.channels * p * p * p});
    Host<2> expected(tokens.host.extents);
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        for (std::int64_t i = 0; i < s.side; ++i) {
          for (std::int64_t j = 0; j < s.side; ++j) {
            for (std::int64_t k = 0; k < s.side; ++k) {
              expected(((b * g + i / p) * g + j / p) * g + k / p, ((c * p + i % p) * p + j % p) * p + k % p) =
                  x.host(b, c, i, j, k);
            }
          }
        }
      }
    }
    this->run([&](auto& q) { patchify(q, x.view(), s.patch, tokens.view()); });
    expect_close(tokens.download(), expected, 0, str("side ", s.side, ", patch ", s.patch));
    auto back = this->poisoned(x.host.extents);
    this->run([&](auto& q) { unpatchify(q, tokens.view(), s.patch, back.view()); });
    expect_close(back.download(), x.host, 0, "back");
  }
}

TYPED_TEST(Volume, ChannelsLastAndFirst) {
  for (const Extents<5>& e : {Extents<5>{1, 8, 16, 16, 16}, Extents<5>{2, 33, 3, 5, 7}, Extents<5>{1, 1, 1, 1, 40},
                              Extents<5>{3, 64, 4, 4, 2}, Extents<5>{0, 4, 2, 2, 2}}) {
    auto x = this->random(e);
    auto last = this->poisoned(Extents<5>{e[0], e[2], e[3], e[4], e[1]});
    Host<5> expected(last.host.extents);
    for (std::int64_t b = 0; b < e[0]; ++b) {
      for (std::int64_t c = 0; c < e[1]; ++c) {
        for (std::int64_t i = 0; i < e[2]; ++i) {
          for (std::int64_t j = 0; j < e[3]; ++j) {
            for (std::int64_t k = 0; k < e[4]; ++k) expected(b, i, j, k, c) = x.host(b, c, i, j, k);
          }
        }
      }
    }
    this->run([&](auto& q) { to_channels_last(q, x.view(), last.view()); });
    expect_close(last.download(), expected, 0, str("channels ", e[1]));
    auto first = this->poisoned(e);
    this->run([&](auto& q) { to_channels_first(q, last.view(), first.view()); });
    expect_close(first.download(), x.host, 0, "back");
  }
}

TYPED_TEST(Volume, PixelShuffleAndItsRelative) {
  for (const Extents<5>& e : {Extents<5>{1, 4, 4, 4, 32}, Extents<5>{2, 3, 1, 5, 5}, Extents<5>{1, 2, 6, 2, 8}}) {
    const std::int64_t channels = e[4];
    auto coarse = this->random(Extents<5>{e[0], e[1], e[2], e[3], 8 * channels});
    auto fine = this->poisoned(Extents<5>{e[0], 2 * e[1], 2 * e[2], 2 * e[3], channels});
    auto blocks = this->poisoned(coarse.host.extents);
    Host<5> shuffled(fine.host.extents);
    Host<5> regrouped(blocks.host.extents);
    for (std::int64_t b = 0; b < e[0]; ++b) {
      for (std::int64_t i = 0; i < 2 * e[1]; ++i) {
        for (std::int64_t j = 0; j < 2 * e[2]; ++j) {
          for (std::int64_t k = 0; k < 2 * e[3]; ++k) {
            const std::int64_t part = i % 2 * 4 + j % 2 * 2 + k % 2;
            for (std::int64_t c = 0; c < channels; ++c) {
              shuffled(b, i, j, k, c) = coarse.host(b, i / 2, j / 2, k / 2, c * 8 + part);
              regrouped(b, i / 2, j / 2, k / 2, part * channels + c) = shuffled(b, i, j, k, c);
            }
          }
        }
      }
    }
    this->run([&](auto& q) { pixel_shuffle(q, coarse.view(), fine.view()); });
    expect_close(fine.download(), shuffled, 0, str("channels ", channels));
    this->run([&](auto& q) { space_to_depth(q, fine.view(), blocks.view()); });
    expect_close(blocks.download(), regrouped, 0, "space_to_depth");
  }
}

TYPED_TEST(Volume, ImagePatches) {
  struct Shape {
    std::int64_t batch, channels, height, width;
    int patch;
  };
  for (const Shape s : {Shape{1, 3, 42, 28, 14}, Shape{2, 3, 4, 6, 2}, Shape{1, 1, 5, 5, 5}}) {
    auto x = this->random(Extents<4>{s.batch, s.channels, s.height, s.width});
    const std::int64_t p = s.patch;
    const std::int64_t across = s.width / p;
    auto out = this->poisoned(Extents<2>{s.batch * (s.height / p) * across, s.channels * p * p});
    Host<2> expected(out.host.extents);
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        for (std::int64_t y = 0; y < s.height; ++y) {
          for (std::int64_t z = 0; z < s.width; ++z) {
            expected((b * (s.height / p) + y / p) * across + z / p, (c * p + y % p) * p + z % p) = x.host(b, c, y, z);
          }
        }
      }
    }
    this->run([&](auto& q) { image_patches(q, x.view(), s.patch, out.view()); });
    expect_close(out.download(), expected, 0, str("patch ", p));
  }
}

}  // namespace
}  // namespace espalier::test
