// What a sampler holds.
#include "ops/keep.h"

#include "harness.h"

namespace espalier::test {
namespace {

template <class Backend>
class Keep : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;
};
TYPED_TEST_SUITE(Keep, FloatBackends, BackendNames);

TYPED_TEST(Keep, KeepKnown) {
  using Dev = typename TestFixture::Device;
  for (const std::int64_t n : {0, 1, 13, 70001}) {
    auto known = this->template random_of<float>(Extents<1>{n}, 0, 4);
    auto noise = this->template random_of<float>(Extents<1>{n}, 0, 1);
    auto state = this->template random_of<float>(Extents<1>{n}, 0, 1);
    Host<1> marks({n});
    for (std::size_t i = 0; i < marks.values.size(); ++i) marks.values[i] = i % 3 == 0 ? 0 : static_cast<double>(i % 3);
    auto kept = this->template make<std::uint8_t>(marks);
    for (const float t : {0.75F, 0.0F}) {
      Host<1> expected = state.host;
      for (std::size_t i = 0; i < expected.values.size(); ++i) {
        if (marks.values[i] != 0) expected.values[i] = (1.0 - t) * known.host.values[i] + t * noise.host.values[i];
      }
      auto x = this->template make<float>(state.host);
      this->run([&](auto& q) { keep_known<Dev, float>(q, known.view(), noise.view(), kept.view(), t, x.view()); });
      expect_close(x.download(), expected, t == 0.0F ? 0 : tolerance<float>(), str("t ", t, ", n ", n));  // at 0 exact
    }
  }
}

}  // namespace
}  // namespace espalier::test
