#include "geometry/unwrap/chart_equations.h"

#include <Eigen/OrderingMethods>
#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace espalier {
namespace {

using Block = double __attribute__((vector_size(32)));

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

template <int A, int B, int C, int D>
Block picked(const Block& a) {
  return __builtin_shufflevector(a, a, A, B, C, D);
}
Block transposed(const Block& a) { return picked<0, 2, 1, 3>(a); }
Block product(const Block& a, const Block& b) {
  return picked<0, 0, 2, 2>(a) * picked<0, 1, 0, 1>(b) + picked<1, 1, 3, 3>(a) * picked<2, 3, 2, 3>(b);
}

// False where it is not positive definite.
bool invert(const Block& a, Block& out) {
  const double det = a[0] * a[3] - a[1] * a[2];
  if (!(a[0] > 0) || !(det > 0) || !std::isfinite(det)) return false;
  out = Block{a[3], -a[1], -a[2], a[0]} / det;
  return true;
}

}  // namespace

ChartEquations::ChartEquations(std::size_t vertices, const std::vector<Corners>& corners) : slots_(corners.size()) {
  require(vertices > 0, "flatten", "a chart without vertices");
  order(vertices, corners);
  find_pattern(corners);
  find_tree();
}

void ChartEquations::order(std::size_t vertices, const std::vector<Corners>& corners) {
  std::vector<Eigen::Triplet<float>> links;
  links.reserve(3 * corners.size() + vertices);
  for (const Corners& c : corners) {
    for (std::size_t k = 0; k < 3; ++k) {
      const std::int32_t a = c[k];
      const std::int32_t b = c[(k + 1) % 3];
      links.emplace_back(std::max(a, b), std::min(a, b), 1.0F);
    }
  }
  for (std::int32_t v = 0; v < static_cast<std::int32_t>(vertices); ++v) links.emplace_back(v, v, 1.0F);
  const auto size = static_cast<Eigen::Index>(vertices);
  Eigen::SparseMatrix<float> pattern(size, size);
  pattern.setFromTriplets(links.begin(), links.end());
  Eigen::PermutationMatrix<Eigen::Dynamic, Eigen::Dynamic, int> inverse;
  Eigen::AMDOrdering<int>()(pattern.selfadjointView<Eigen::Lower>(), inverse);
  place_.resize(vertices);
  for (std::size_t i = 0; i < vertices; ++i) place_[at(inverse.indices()[static_cast<Eigen::Index>(i)])] = static_cast<int>(i);
}

void ChartEquations::find_pattern(const std::vector<Corners>& corners) {
  std::vector<std::vector<std::int32_t>> above(size());
  faces_.resize(corners.size());
  for (std::size_t f = 0; f < corners.size(); ++f) {
    for (std::size_t k = 0; k < 3; ++k) faces_[f][k] = place_[at(corners[f][k])];
    for (std::size_t k = 0; k < 3; ++k) {
      const auto [low, high] = std::minmax(faces_[f][k], faces_[f][(k + 1) % 3]);
      above[at(high)].push_back(low);
    }
  }
  matrix_.first.assign(1, 0);
  for (auto& rows : above) {
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    matrix_.row.insert(matrix_.row.end(), rows.begin(), rows.end());
    matrix_.first.push_back(static_cast<std::int32_t>(matrix_.row.size()));
  }
  for (std::size_t f = 0; f < corners.size(); ++f) {
    for (std::size_t k = 0; k < 3; ++k) {
      const auto [low, high] = std::minmax(faces_[f][k], faces_[f][(k + 1) % 3]);
      const auto begin = matrix_.row.begin() + matrix_.first[at(high)];
      const auto end = matrix_.row.begin() + matrix_.first[at(high) + 1];
      slots_[f][k] = static_cast<std::int32_t>(std::lower_bound(begin, end, low) - matrix_.row.begin());
    }
  }
  matrix_.value.resize(matrix_.row.size());
  diagonal_.resize(size());
}

// The tree, and how long the columns of L are.
void ChartEquations::find_tree() {
  const auto count = static_cast<std::int32_t>(size());
  parent_.assign(size(), -1);
  std::vector<std::int32_t> length(size(), 0);
  std::vector<std::int32_t> seen(size(), -1);
  for (std::int32_t k = 0; k < count; ++k) {
    seen[at(k)] = k;
    for (std::int32_t p = matrix_.first[at(k)]; p < matrix_.first[at(k) + 1]; ++p) {
      for (std::int32_t i = matrix_.row[at(p)]; seen[at(i)] != k; i = parent_[at(i)]) {
        if (parent_[at(i)] < 0) parent_[at(i)] = k;
        ++length[at(i)];
        seen[at(i)] = k;
      }
    }
  }
  first_.assign(size() + 1, 0);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    sum += length[i];
    require(sum <= INT32_MAX, "flatten", "a chart of ", size(), " vertices is too large");
    first_[i + 1] = static_cast<std::int32_t>(sum);
  }
  row_.resize(at(sum));
  value_.resize(at(sum));
  pivot_.resize(size());
  inverse_.resize(size());
}

void ChartEquations::clear() {
  std::fill(matrix_.value.begin(), matrix_.value.end(), Block{});
  std::fill(diagonal_.begin(), diagonal_.end(), Block{});
}

void ChartEquations::add(std::size_t face, const Element& element) {
  const auto block = [&](std::size_t k, std::size_t l) {
    const auto r = static_cast<Eigen::Index>(2 * k);
    const auto c = static_cast<Eigen::Index>(2 * l);
    return Block{element(r, c), element(r, c + 1), element(r + 1, c), element(r + 1, c + 1)};
  };
  const auto& places = faces_[face];
  for (std::size_t k = 0; k < 3; ++k) {
    const std::size_t l = (k + 1) % 3;
    diagonal_[at(places[k])] += block(k, k);
    matrix_.value[at(slots_[face][k])] += places[k] < places[l] ? block(k, l) : transposed(block(k, l));
  }
}

void ChartEquations::add_diagonal(std::size_t unknown, double value) {
  diagonal_[at(place_[unknown / 2])][unknown % 2 == 0 ? 0 : 3] += value;
}

double ChartEquations::mean_diagonal() const {
  double sum = 0;
  for (const Block& block : diagonal_) sum += block[0] + block[3];
  return sum / static_cast<double>(2 * size());
}

bool ChartEquations::factorise() {
  const auto count = static_cast<std::int32_t>(size());
  end_.assign(first_.begin(), first_.end() - 1);
  std::vector<Block> work(size(), Block{});
  std::vector<std::int32_t> seen(size(), -1);
  std::vector<std::int32_t> path(size());
  std::vector<std::int32_t> pattern(size());  // filled from the back
  for (std::int32_t k = 0; k < count; ++k) {
    // The columns with an entry in this row, children before parents.
    seen[at(k)] = k;
    std::int32_t top = count;
    for (std::int32_t p = matrix_.first[at(k)]; p < matrix_.first[at(k) + 1]; ++p) {
      work[at(matrix_.row[at(p)])] = matrix_.value[at(p)];
      std::int32_t length = 0;
      for (std::int32_t i = matrix_.row[at(p)]; seen[at(i)] != k; i = parent_[at(i)]) {
        path[at(length++)] = i;
        seen[at(i)] = k;
      }
      while (length > 0) pattern[at(--top)] = path[at(--length)];
    }
    Block pivot = diagonal_[at(k)];
    for (; top < count; ++top) {
      const std::int32_t i = pattern[at(top)];
      const Block w = work[at(i)];  // D_i times the transposed entry of L
      work[at(i)] = Block{};
      const Block upper = picked<0, 1, 0, 1>(w);
      const Block lower = picked<2, 3, 2, 3>(w);
      for (std::int32_t p = first_[at(i)]; p < end_[at(i)]; ++p) {
        const Block& l = value_[at(p)];
        work[at(row_[at(p)])] -= picked<0, 0, 2, 2>(l) * upper + picked<1, 1, 3, 3>(l) * lower;
      }
      const Block entry = product(transposed(w), inverse_[at(i)]);
      pivot -= product(entry, w);
      row_[at(end_[at(i)])] = k;
      value_[at(end_[at(i)]++)] = entry;
    }
    pivot_[at(k)] = pivot;
    if (!invert(pivot, inverse_[at(k)])) return false;
  }
  return true;
}

bool ChartEquations::solve(const Eigen::VectorXd& right, Eigen::VectorXd& out) {
  if (!factorise()) return false;
  std::vector<Eigen::Vector2d> x(size());
  for (std::size_t v = 0; v < size(); ++v) x[at(place_[v])] = right.segment<2>(static_cast<Eigen::Index>(2 * v));
  for (std::size_t i = 0; i < size(); ++i) {
    for (std::int32_t p = first_[i]; p < end_[i]; ++p) {
      const Block& l = value_[at(p)];
      x[at(row_[at(p)])] -= Eigen::Vector2d(l[0] * x[i][0] + l[1] * x[i][1], l[2] * x[i][0] + l[3] * x[i][1]);
    }
  }
  for (std::size_t i = size(); i-- > 0;) {
    const Block& d = inverse_[i];
    Eigen::Vector2d sum(d[0] * x[i][0] + d[1] * x[i][1], d[2] * x[i][0] + d[3] * x[i][1]);
    for (std::int32_t p = first_[i]; p < end_[i]; ++p) {
      const Block& l = value_[at(p)];
      const Eigen::Vector2d& below = x[at(row_[at(p)])];
      sum -= Eigen::Vector2d(l[0] * below[0] + l[2] * below[1], l[1] * below[0] + l[3] * below[1]);
    }
    x[i] = sum;
  }
  out.resize(static_cast<Eigen::Index>(2 * size()));
  for (std::size_t v = 0; v < size(); ++v) out.segment<2>(static_cast<Eigen::Index>(2 * v)) = x[at(place_[v])];
  return out.allFinite();
}

}  // namespace espalier
