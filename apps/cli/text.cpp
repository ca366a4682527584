#include "text.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <sstream>

#include "espalier/options.h"

namespace espalier::cli {

std::string fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return n > 0 && static_cast<std::size_t>(n) < buffer.size() ? std::string(buffer.data(), static_cast<std::size_t>(n))
                                                              : std::to_string(value);
}

std::string byte_count(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < units.size()) {
    value /= 1024.0;
    ++unit;
  }
  return fixed(value, unit == 0 ? 0 : 1).append(" ").append(units[unit]);
}

std::string thousands(std::int64_t n) {
  const std::string digits = std::to_string(n);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t behind = digits.size() - i;
    if (i > 0 && behind % 3 == 0 && digits[i - 1] != '-') out += ',';
    out += digits[i];
  }
  return out;
}

std::string duration(double seconds) {
  if (seconds < 60.0) return fixed(seconds, seconds < 10.0 ? 2 : 1) + " s";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  std::ostringstream out;
  out << std::setfill('0');
  if (whole < 3600) {
    out << whole / 60 << ':' << std::setw(2) << whole % 60 << " min";
  } else {
    out << whole / 3600 << ':' << std::setw(2) << whole / 60 % 60 << ':' << std::setw(2) << whole % 60 << " h";
  }
  return out.str();
}

std::string one_line(const std::string& text) {
  std::string line = text;
  const auto controls = [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; };
  std::replace_if(line.begin(), line.end(), controls, ' ');
  return line;
}

std::string painted(const std::string& text, Paint paint, bool colours) {
  if (!colours) return text;
  constexpr std::array kCodes{"\033[1;31m", "\033[1;33m", "\033[1m"};
  return kCodes.at(static_cast<std::size_t>(paint)) + text + "\033[0m";
}

bool colours_on(int file) { return ::isatty(file) == 1 && environment_value("NO_COLOR").empty(); }

Table::Table(std::vector<std::string> heading, std::vector<std::size_t> left) : left_(std::move(left)) {
  left_.push_back(0);
  rows_.push_back(std::move(heading));
}

void Table::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool left = std::find(left_.begin(), left_.end(), c) != left_.end();
      const std::size_t space = widths[c] - row[c].size();
      if (c > 0) line += "  ";
      if (!left) line.append(space, ' ');
      line += row[c];
      if (left) line.append(space, ' ');
    }
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace espalier::cli
