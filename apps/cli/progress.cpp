#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "text.h"

namespace espalier::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto redraw_interval = 100ms;
constexpr auto line_interval = 10s;  // between plain lines of the same stage

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string steps_of(const Progress& p) {
  return p.steps > 1 ? std::to_string(p.step) + "/" + std::to_string(p.steps) : std::string();
}

std::string time_left(const Progress& p) {
  if (p.seconds_left < 0.0) return {};
  return "about " + (p.seconds_left < 60.0 ? fixed(std::ceil(p.seconds_left), 0) + " s" : duration(p.seconds_left)) + " left";
}

int percent(const Progress& p) { return static_cast<int>(std::floor(100.0 * std::clamp(p.fraction, 0.0, 1.0))); }

}  // namespace

Observer shown_while(const Observer& observer, std::function<bool()> shown) {
  Observer one = observer;
  one.progress = [progress = observer.progress, shown = std::move(shown)](const Progress& at) {
    if (progress && shown()) progress(at);
  };
  return one;
}

ProgressPrinter::ProgressPrinter(bool quiet, ProgressStyle style)
    : quiet_(quiet), style_(style), terminal_(style == ProgressStyle::automatic && ::isatty(STDERR_FILENO) == 1) {}

void ProgressPrinter::show(const Progress& progress) {
  if (quiet_) return;
  const auto now = Clock::now();
  const bool new_stage = progress.stage != stage_;
  const bool often = terminal_ || style_ == ProgressStyle::json;
  const bool end = often && progress.fraction >= 1.0;  // is shown, however soon it comes
  if (!new_stage && !end && now - last_ < (often ? Clock::duration(redraw_interval) : Clock::duration(line_interval))) return;
  stage_ = progress.stage;
  last_ = now;
  if (style_ == ProgressStyle::json) {
    print_json(progress);
  } else if (terminal_) {
    draw_bar(progress);
  } else {
    print_line(progress);
  }
}

void ProgressPrinter::draw_bar(const Progress& progress) {
  constexpr std::size_t bar_width = 24;
  const auto filled = static_cast<std::size_t>(std::clamp(progress.fraction, 0.0, 1.0) * bar_width);
  std::ostringstream text;
  text << '[' << std::string(filled, '#') << std::string(bar_width - filled, '.') << "] " << std::setw(3) << percent(progress)
       << " %  " << stage_title(progress.stage) << "  " << steps_of(progress) << "  " << time_left(progress);
  std::string line = text.str();
  // One column less than there are, or some terminals would wrap.
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressPrinter::print_line(const Progress& progress) {
  const std::string steps = steps_of(progress);
  const std::string left = time_left(progress);
  std::fprintf(stderr, "%3d %%  %s%s%s%s%s\n", percent(progress), std::string(stage_title(progress.stage)).c_str(),
               steps.empty() ? "" : "  ", steps.c_str(), left.empty() ? "" : "  ", left.c_str());
}

void ProgressPrinter::print_json(const Progress& p) {
  const nlohmann::ordered_json line{
      {"stage", stage_id(p.stage)},
      {"title", stage_title(p.stage)},
      {"step", p.step},
      {"steps", p.steps},
      {"fraction", p.fraction},
      {"seconds_left", p.seconds_left < 0.0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(p.seconds_left)}};
  std::fprintf(stderr, "%s\n", line.dump().c_str());
}

void ProgressPrinter::begin(const std::string& title) {
  clear();
  said_.clear();
  if (!quiet_) std::fprintf(stderr, "espalier: %s\n", one_line(title).c_str());
}

void ProgressPrinter::message(const std::string& text) {
  if (!said_.insert(text).second) return;
  clear();
  std::string line = text;
  for (const auto& [begin, paint] : {std::pair{"warning:", Paint::warning}, std::pair{"failed:", Paint::error}}) {
    if (line.starts_with(begin))
      line = painted(begin, paint, colours_on(STDERR_FILENO)) + line.substr(std::string(begin).size());
  }
  std::fprintf(stderr, "espalier: %s\n", line.c_str());
}

void ProgressPrinter::clear() {
  if (!drawn_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace espalier::cli
