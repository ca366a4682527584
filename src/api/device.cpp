#include "api/device.h"

#include <charconv>

namespace espalier {
namespace {

int card_number(const std::string& device) {
  if (device == "cuda") return 0;
  int n = -1;
  const char* end = device.data() + device.size();
  const auto [at, error] = std::from_chars(device.data() + 5, end, n);
  if (error != std::errc() || at != end || n < 0) {
    fail(ErrorCode::invalid_argument, "device ", device, ": expected auto, cpu, cuda or cuda:N with N = 0, 1, ...");
  }
  return n;
}

}  // namespace

EngineOptions engine_options(const std::string& device, Precision precision, MemoryTier tier) {
  EngineOptions o;
  o.tier = tier;
  // Looking at cards starts their driver, which takes a while.
  const std::vector<CardInfo> cards = device == "cpu" ? std::vector<CardInfo>{} : list_cards();
  if (device == "auto") {
    for (const CardInfo& card : cards) {
      if (!card.covered) continue;
      o.cuda = true;
      o.ordinal = card.ordinal;
      break;
    }
  } else if (device == "cuda" || device.rfind("cuda:", 0) == 0) {
    if (!built_with_cuda()) {
      fail(ErrorCode::unsupported, "device ", device,
           ": this build has no CUDA back end; rebuild with: make cuda, or use --device cpu");
    }
    o.cuda = true;
    o.ordinal = card_number(device);
    const CardInfo* found = nullptr;
    for (const CardInfo& card : cards) {
      if (card.ordinal == o.ordinal) found = &card;
    }
    if (found == nullptr) {
      fail(ErrorCode::device, "device ", device, ": no such card; the driver shows ", cards.size(),
           "; espalier doctor says more");
    }
    if (!found->covered) fail(ErrorCode::device, "device ", device, " (", found->name, "): ", found->advice);
  } else if (device != "cpu") {
    fail(ErrorCode::invalid_argument, "device ", device, ": expected auto, cpu, cuda or cuda:N with N = 0, 1, ...");
  }
  o.half = precision == Precision::half || (precision == Precision::automatic && o.cuda);
  return o;
}

}  // namespace espalier
