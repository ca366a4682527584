// How alike two images are.
#pragma once

#include <cmath>
#include <vector>

namespace espalier::test {

// Decibels against a peak of 1; more than 1000 for equal images. Not a number where sizes differ or a value is none.
template <class A, class B>
double psnr(const std::vector<A>& a, const std::vector<B>& b) {
  if (a.size() != b.size() || a.empty()) return std::nan("");
  double squares = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return -10.0 * std::log10(squares / static_cast<double>(a.size()) + 1e-200);
}

}  // namespace espalier::test
