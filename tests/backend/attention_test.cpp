// Attention over packed sequences and windows.
#include "ops/attention.h"

#include "harness.h"

namespace espalier::test {
namespace {

// Sequences as the host sees them: rows[s] lists the rows of sequence s.
using Sequences = std::vector<std::vector<std::int32_t>>;

std::int64_t rows_in(const Sequences& sequences) {
  std::int64_t n = 0;
  for (const auto& s : sequences) n += static_cast<std::int64_t>(s.size());
  return n;
}

// Consecutive sequences of these lengths.
Sequences consecutive(const std::vector<std::int64_t>& lengths) {
  Sequences sequences;
  std::int32_t next = 0;
  for (const std::int64_t n : lengths) {
    auto& s = sequences.emplace_back(static_cast<std::size_t>(n));
    std::iota(s.begin(), s.end(), next);
    next += static_cast<std::int32_t>(n);
  }
  return sequences;
}

// softmax(scale q k^T) v for the sampled rows of each query sequence; other rows stay 0. `every` = 1 samples all.
Host<3> reference_attention(const Host<3>& q, const Host<3>& k, const Host<3>& v, const Sequences& queries,
                            const Sequences& keys, double scale, std::int64_t every, std::vector<std::int64_t>& sampled) {
  const std::int64_t heads = q.extents[1];
  const std::int64_t width = q.extents[2];
  Host<3> out(q.extents);
  sampled.clear();
  std::vector<double> p;
  for (std::size_t s = 0; s < queries.size(); ++s) {
    const auto& key_rows = keys[s];
    p.resize(key_rows.size());
    for (std::size_t i = 0; i < queries[s].size(); i += static_cast<std::size_t>(every)) {
      const std::int64_t r = queries[s][i];
      sampled.push_back(r);
      for (std::int64_t h = 0; h < heads; ++h) {
        double largest = -INFINITY;
        for (std::size_t j = 0; j < p.size(); ++j) {
          p[j] = 0;
          for (std::int64_t c = 0; c < width; ++c) p[j] += q(r, h, c) * k(key_rows[j], h, c);
          largest = std::max(largest, p[j] *= scale);
        }
        double sum = 0;
        for (double& x : p) sum += x = std::exp(x - largest);
        for (std::size_t j = 0; j < p.size(); ++j) {
          for (std::int64_t c = 0; c < width; ++c) out(r, h, c) += p[j] / sum * v(key_rows[j], h, c);
        }
      }
    }
  }
  return out;
}

template <class Backend>
class Attention : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;
  using Element = typename Backend::T;

 protected:
  struct Placed {
    Array<Device, std::int32_t, 1> begin, order;
    Packing<Device> packing;
  };
  // With `ordered` false the sequences must be consecutive rows.
  Placed place(const Sequences& sequences, bool ordered) {
    std::vector<std::int32_t> begin{0};
    std::vector<std::int32_t> order;
    Placed p;
    for (const auto& s : sequences) {
      begin.push_back(begin.back() + static_cast<std::int32_t>(s.size()));
      order.insert(order.end(), s.begin(), s.end());
      p.packing.longest = std::max(p.packing.longest, static_cast<std::int64_t>(s.size()));
    }
    p.begin = this->indices(begin);
    p.packing.begin = p.begin.view();
    if (ordered) {
      p.order = this->indices(order);
      p.packing.order = p.order.view();
    }
    return p;
  }
  // All rows in shuffled order, cut into sequences of the given lengths.
  Sequences shuffled(const std::vector<std::int64_t>& lengths) {
    Sequences sequences = consecutive(lengths);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(rows_in(sequences)));
    std::iota(rows.begin(), rows.end(), 0);
    for (std::size_t i = rows.size(); i > 1; --i) {
      std::swap(rows[i - 1], rows[static_cast<std::size_t>(this->below(static_cast<std::int64_t>(i)))]);
    }
    auto next = rows.begin();
    for (auto& s : sequences) {
      for (auto& r : s) r = *next++;
      std::sort(s.begin(), s.end());
    }
    return sequences;
  }

  struct Shape {
    std::int64_t heads, width;
    double sharpness = 1;    // standard deviation of the logits
    std::int64_t every = 1;  // check each K-th query of a sequence
    bool ordered = false;
    double centre = 0;  // mean of the values
  };
  // q, k and v are columns of wider matrices (one packed projection for self attention), and so is out.
  void check(const Sequences& queries, const Sequences& keys, const Shape& s, const std::string& what) {
    const std::int64_t channels = s.heads * s.width;
    const Extents<3> q_extents{rows_in(queries), s.heads, s.width};
    const Extents<3> k_extents{rows_in(keys), s.heads, s.width};
    auto q = this->random(q_extents, 3 * channels, s.sharpness);
    auto k = this->random(k_extents, 2 * channels);
    auto v = this->random(k_extents, 2 * channels, 1, s.centre);
    auto out = this->poisoned(q_extents, channels + 8);
    const Placed query_rows = place(queries, s.ordered);
    const Placed key_rows = place(keys, s.ordered);
    const double scale = 1.0 / std::sqrt(static_cast<double>(s.width));
    this->run([&](auto& queue) {
      attention(queue, q.view(), k.view(), v.view(), query_rows.packing, key_rows.packing, static_cast<float>(scale),
                out.view());
    });
    const Host<3> actual = out.download();
    EXPECT_FALSE(has_nan(actual)) << what;
    std::vector<std::int64_t> sampled;
    const Host<3> expected = reference_attention(q.host, k.host, v.host, queries, keys, scale, s.every, sampled);
    // Logits have an absolute error that grows with their size; a half kernel also rounds the probabilities.
    const double limit = (std::is_same_v<Element, half> ? 3 : 2) * tolerance<Element>(s.width) * std::max(1.0, s.sharpness);
    expect_close(rows_of(actual, sampled), rows_of(expected, sampled), limit,
                 str(what, ", heads ", s.heads, ", width ", s.width));
  }
};
TYPED_TEST_SUITE(Attention, Backends, BackendNames);

TYPED_TEST(Attention, HeadWidths) {
  const Sequences rows = consecutive({70, 1, 33});
  for (const std::int64_t width :
       {1, 4, 7, 8, 10, 12, 16, 20, 24, 32, 33, 40, 44, 48, 64, 72, 80, 96, 104, 120, 128, 144, 160, 192, 200, 256}) {
    this->check(rows, rows, {2, width}, "widths");
  }
}

TYPED_TEST(Attention, SequenceLengths) {
  for (const std::int64_t n : {1, 2, 7, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 700}) {
    const Sequences rows = consecutive({n});
    this->check(rows, rows, {3, 64}, str("length ", n));
    this->check(consecutive({n}), consecutive({5}), {1, 32}, str("queries ", n));
    this->check(consecutive({5}), consecutive({n}), {1, 32}, str("keys ", n));
  }
}

TYPED_TEST(Attention, CrossAttentionOfUnevenBatches) {
  this->check(consecutive({64, 64, 64}), consecutive({77, 77, 77}), {4, 48}, "three elements");
  this->check(consecutive({200, 13, 1}), consecutive({37, 100, 300}), {2, 24}, "uneven");
  this->check(consecutive({100}), consecutive({1374}), {2, 64}, "image tokens");
}

TYPED_TEST(Attention, EmptyKeySequencesGiveZeros) {
  this->check(consecutive({10, 3, 80}), consecutive({5, 0, 40}), {2, 40}, "one without keys");
  this->check(consecutive({10}), consecutive({0}), {2, 16}, "no keys at all");
}

TYPED_TEST(Attention, EmptyQuerySequences) {
  this->check(consecutive({0, 3, 0, 80, 0}), consecutive({5, 7, 0, 40, 9}), {2, 40}, "some without queries");
  this->check(consecutive({0}), consecutive({9}), {2, 16}, "no queries at all");
  this->check({}, {}, {2, 16}, "no sequences");
}

TYPED_TEST(Attention, WindowsOfScatteredRows) {
  std::vector<std::int64_t> lengths;
  for (int i = 0; i < 90; ++i) lengths.push_back(1 + this->below(i % 9 == 0 ? 300 : 40));
  const Sequences windows = this->shuffled(lengths);
  for (const std::int64_t width : {16, 24, 40, 64}) this->check(windows, windows, {3, width, 1, 1, true}, "windows");
}

TYPED_TEST(Attention, OrderedQueriesWithOrderedKeys) {
  const Sequences queries = this->shuffled({40, 1, 17, 0, 90});
  const Sequences keys = this->shuffled({3, 200, 0, 8, 41});
  this->check(queries, keys, {2, 32, 1, 1, true}, "both ordered");
}

TYPED_TEST(Attention, LongSequencesOfScatteredRows) {
  const Sequences queries = this->shuffled({600, 1, 0, 130, 777, 64});
  const Sequences keys = this->shuffled({40, 300, 5, 0, 1000, 257});
  for (const std::int64_t width : {20, 40, 44, 64, 80})
    this->check(queries, keys, {2, width, 1, 1, true}, "long and scattered");
}

// One query sees one key: the output is the value, whatever the width.
TYPED_TEST(Attention, LonelyRows) {
  const Sequences rows = consecutive({1, 1, 1});
  for (const std::int64_t width : {8, 10, 33, 40, 48, 64, 96, 192}) this->check(rows, rows, {3, width}, "lonely");
}

// The largest logit moves between key blocks and the exponentials of most keys vanish.
TYPED_TEST(Attention, SharpLogits) {
  const Sequences rows = consecutive({300});
  for (const double sharpness : {10.0, 60.0}) this->check(rows, rows, {2, 64, sharpness}, str("sharpness ", sharpness));
  const Sequences many = consecutive({1100});
  this->check(many, many, {2, 64, 60.0, 3}, "sharpness 60, long");
}

TYPED_TEST(Attention, ValuesFarFromZero) {
  const Sequences rows = consecutive({500});
  this->check(rows, rows, {2, 64, 1, 1, false, 50}, "mean 50");
}

TYPED_TEST(Attention, EqualLogitsAverage) {
  auto q = this->random(Extents<3>{9, 2, 16}, 0, 0);
  auto k = this->random(Extents<3>{75, 2, 16});
  auto v = this->random(Extents<3>{75, 2, 16});
  auto out = this->poisoned(Extents<3>{9, 2, 16});
  const auto queries = this->place(consecutive({9}), false);
  const auto keys = this->place(consecutive({75}), false);
  this->run(
      [&](auto& queue) { attention(queue, q.view(), k.view(), v.view(), queries.packing, keys.packing, 0.25F, out.view()); });
  Host<3> expected(q.host.extents);
  for (std::int64_t r = 0; r < 9; ++r) {
    for (std::int64_t h = 0; h < 2; ++h) {
      for (std::int64_t c = 0; c < 16; ++c) {
        for (std::int64_t j = 0; j < 75; ++j) expected(r, h, c) += v.host(j, h, c) / 75.0;
      }
    }
  }
  expect_close(out.download(), expected, 2 * tolerance<typename TestFixture::Element>(75));
}

TYPED_TEST(Attention, IsDeterministic) {
  auto q = this->random(Extents<3>{600, 2, 64});
  auto k = this->random(Extents<3>{900, 2, 64});
  auto v = this->random(Extents<3>{900, 2, 64});
  const auto queries = this->place(consecutive({600}), false);
  const auto keys = this->place(consecutive({900}), false);
  Host<3> first;
  for (int round = 0; round < 3; ++round) {
    auto out = this->poisoned(Extents<3>{600, 2, 64});
    this->run([&](auto& queue) {
      attention(queue, q.view(), k.view(), v.view(), queries.packing, keys.packing, 0.125F, out.view());
    });
    if (round == 0) first = out.download();
    EXPECT_EQ(out.download().values, first.values);
  }
}

// Row i of a sequence sees keys 0 ... i: the reference is the plain one, query by query.
TYPED_TEST(Attention, CausalRowsSeeNoLaterKey) {
  for (const std::int64_t width : {1, 12, 32, 33, 64, 96, 200, 256}) {
    for (const bool ordered : {false, true}) {
      const std::vector<std::int64_t> lengths{77, 1, 0, 16, 130, 48};
      const Sequences rows = ordered ? this->shuffled(lengths) : consecutive(lengths);
      const std::int64_t heads = width > 100 ? 1 : 3;
      const Extents<3> extents{rows_in(rows), heads, width};
      auto q = this->random(extents, 3 * heads * width);
      auto k = this->random(extents, 3 * heads * width);
      auto v = this->random(extents, 2 * heads * width);
      auto out = this->poisoned(extents, heads * width + 8);
      const auto placed = this->place(rows, ordered);
      const double scale = 1.0 / std::sqrt(static_cast<double>(width));
      this->run([&](auto& queue) {
        causal_attention(queue, q.view(), k.view(), v.view(), placed.packing, static_cast<float>(scale), out.view());
      });
      Sequences queries;
      Sequences keys;
      for (const auto& s : rows) {
        for (std::size_t i = 0; i < s.size(); ++i) {
          queries.push_back({s[i]});
          keys.emplace_back(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
      }
      std::vector<std::int64_t> sampled;
      const Host<3> expected = reference_attention(q.host, k.host, v.host, queries, keys, scale, 1, sampled);
      const double factor = std::is_same_v<typename TestFixture::Element, half> ? 3 : 2;
      expect_close(out.download(), expected, factor * tolerance<typename TestFixture::Element>(width),
                   str("causal, width ", width, ordered ? ", ordered" : ""));
    }
  }
}

// What a query does not see must not matter, however large it is.
TYPED_TEST(Attention, CausalRowsIgnoreWhatComesLater) {
  auto q = this->random(Extents<3>{60, 2, 32}, 0, 4);
  auto k = this->random(Extents<3>{60, 2, 32}, 0, 4);
  auto v = this->random(Extents<3>{60, 2, 32});
  const auto whole = this->place(consecutive({60}), false);
  const auto first = this->place(consecutive({20}), false);
  auto all = this->poisoned(Extents<3>{60, 2, 32});
  auto part = this->poisoned(Extents<3>{20, 2, 32});
  this->run([&](auto& queue) {
    causal_attention(queue, q.view(), k.view(), v.view(), whole.packing, 0.2F, all.view());
    causal_attention(queue, q.view().rows(0, 20), k.view().rows(0, 20), v.view().rows(0, 20), first.packing, 0.2F, part.view());
  });
  const Host<3> longer = all.download();
  const Host<3> shorter = part.download();
  for (std::int64_t r = 0; r < 20; ++r) {
    for (std::int64_t h = 0; h < 2; ++h) {
      for (std::int64_t c = 0; c < 32; ++c) EXPECT_EQ(longer(r, h, c), shorter(r, h, c));
    }
  }
}

TYPED_TEST(Attention, SelfAttentionOfTheLargeModel) {
  const Sequences rows = consecutive({4096});
  this->check(rows, rows, {16, 64, 1, 97}, "4096 tokens");
}

TYPED_TEST(Attention, TwelveThousandVoxelsInWindows) {
  std::vector<std::int64_t> lengths;
  std::int64_t total = 0;
  while (total < 12000) {
    lengths.push_back(1 + this->below(250));
    total += lengths.back();
  }
  const Sequences windows = this->shuffled(lengths);
  this->check(windows, windows, {12, 64, 1, 41, true}, "12k voxels");
}

}  // namespace
}  // namespace espalier::test
