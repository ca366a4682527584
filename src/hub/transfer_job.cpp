#include "hub/transfer_job.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace espalier::hub {

namespace {

constexpr int kMaxHops = 10;
constexpr int kMaxResolutions = 3;
constexpr int kMaxRestarts = 3;
constexpr int kQuickAttempts = 3;  // where nobody answers at all
constexpr double kLockDelay = 0.5;
constexpr double kLongestBackOff = 30.0;

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool is_commit(const std::string& text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Seconds that a server asks to wait: Retry-After, or t of ratelimit: "api";r=0;t=55.
std::optional<double> asked_delay(const HttpTransfer& http) {
  if (const auto seconds = number(http.header("retry-after"))) return static_cast<double>(*seconds);
  if (const time_t date = curl_getdate(http.header("retry-after").c_str(), nullptr); date > 0)
    return std::max(0.0, std::difftime(date, std::time(nullptr)));
  const std::string limit = http.header("ratelimit");
  const auto at = limit.find("t=");
  if (at == std::string::npos) return std::nullopt;
  const auto end = limit.find_first_not_of("0123456789", at + 2);
  if (const auto seconds = number(limit.substr(at + 2, end == std::string::npos ? end : end - at - 2)))
    return static_cast<double>(*seconds);
  return std::nullopt;
}

}  // namespace

TransferJob::TransferJob(std::size_t index, const Transfer& transfer, const TransferOptions& options,
                         const TransferObserver& observer)
    : index_(index), transfer_(transfer), options_(options), observer_(observer), resolve_url_(transfer.url) {
  if (!transfer_.hub_file) resolved_ = Resolved{transfer_.url, transfer_.digest, "", transfer_.bytes};
}

Asked TransferJob::asked() const {
  return {transfer_.file,     transfer_.repository,
          transfer_.revision, url_.empty() ? transfer_.url : url_,
          options_.endpoint,  !token_for(resolve_url_).empty()};
}

Answer TransferJob::answer() const {
  return {http_->status(), http_->header("x-error-code"), http_->header("x-error-message"), http_->header("content-type")};
}

// A token is a password: it goes to the hub itself alone, and never in clear over a network.
std::string TransferJob::token_for(const std::string& url) const {
  if (transfer_.repository.empty()) return {};
  const std::string origin = origin_of(url);
  const bool secret = origin.starts_with("https://") || is_loopback_address(url);
  return secret && !origin.empty() && origin == origin_of(options_.endpoint) ? options_.token : std::string();
}

HttpTransfer* TransferJob::request(const std::string& url, bool head, std::uint64_t offset) {
  url_ = url;
  offset_ = offset;
  checked_ = wanted_ = again_ = false;
  failure_ = nullptr;
  http_ = std::make_unique<HttpTransfer>(HttpRequest{url, head, offset, token_for(url)}, options_.http,
                                         [this](std::span<const std::byte> bytes) { return take_bytes(bytes); });
  return http_.get();
}

HttpTransfer* TransferJob::start() {
  if (done_ || Clock::now() < due_) return nullptr;
  if (!resolved_) return request(resolve_url_, true, 0);
  if (!transfer_.place) {
    result_.body.clear();
    return request(resolved_->url, false, 0);
  }
  if (!file_ && !open_file()) return nullptr;
  if (file_->size() == resolved_->bytes) {
    finish_file();
    if (done_ || Clock::now() < due_) return nullptr;
  }
  return request(resolved_->url, false, file_->size());
}

// False when there is nothing to do, or when another program has the file.
bool TransferJob::open_file() {
  placement_ = transfer_.place(*resolved_);
  file_ = PartialFile::open(placement_, resolved_->digest, resolved_->bytes);
  if (!file_) {
    wait(kLockDelay, "another program fetches " + transfer_.file);
    return false;
  }
  if (file_->already_whole()) {
    if (!has_known_hash()) fail_for_other_file();
    complete(placement_.file);
    return false;
  }
  file_->hash_existing([this](std::uint64_t) {
    if (observer_.tick) observer_.tick();
    if (observer_.cancelled && observer_.cancelled()) fail(ErrorCode::cancelled, "cancelled on request");
  });
  resumed_ = file_->size() > 0;
  furthest_ = file_->size();
  if (observer_.progress) observer_.progress(index_, file_->size());
  return true;
}

// Inside libcurl, which is C: nothing may be thrown through it.
bool TransferJob::take_bytes(std::span<const std::byte> bytes) {
  try {
    if (!checked_) check_first_bytes();
    if (again_) return false;
    if (!wanted_) return true;
    result_.fetched_bytes += bytes.size();
    if (!transfer_.place) {
      if (result_.body.size() + bytes.size() > transfer_.limit) {
        fail(ErrorCode::format, host_of(url_), " sends more than ", transfer_.limit, " bytes for ", transfer_.file,
             hint("check HF_ENDPOINT"));
      }
      result_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return true;
    }
    file_->append(bytes);
    if (file_->size() > furthest_) {
      furthest_ = file_->size();
      attempts_ = resolutions_ = 0;
    }
    if (observer_.progress) observer_.progress(index_, file_->size());
    return true;
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
}

// Whether the body is what was asked for.
void TransferJob::check_first_bytes() {
  checked_ = true;
  const long status = http_->status();
  if (status != 200 && status != 206) return;
  const bool may_be_page = transfer_.file.ends_with(".html") || transfer_.file.ends_with(".htm");
  if (is_page(http_->header("content-type")) && !may_be_page) fail_for_page(asked());
  wanted_ = true;
  if (!transfer_.place) return;
  if (status == 200 && offset_ > 0) {
    // The server does not know ranges: everything comes again.
    file_->restart();
    resumed_ = false;
  }
  std::uint64_t first = 0;
  auto total = number(http_->header("content-length"));
  if (status == 206) {
    const std::string range = http_->header("content-range");  // bytes FIRST-LAST/TOTAL
    const auto dash = range.find('-'), slash = range.find('/');
    if (range.starts_with("bytes ") && dash != std::string::npos) first = number(range.substr(6, dash - 6)).value_or(0);
    total = slash == std::string::npos ? std::nullopt : number(range.substr(slash + 1));
  }
  if (first != file_->size()) {
    file_->restart();
    again_ = true;
  }
  if (total && *total != resolved_->bytes) {
    fail(ErrorCode::format, host_of(url_), " has ", transfer_.file, " with ", *total, " bytes instead of ", resolved_->bytes,
         hint("it is not the published file: try again later, or another ",
              transfer_.repository.empty() ? "ESPALIER_MIRROR" : "HF_ENDPOINT"));
  }
}

void TransferJob::ended(CURLcode code) {
  if (failure_) std::rethrow_exception(failure_);
  if (observer_.waiting) observer_.waiting("");
  if (code != CURLE_OK && !again_) {
    // An answer that breaks off after a status that settles everything is as good as a whole one.
    const long status = http_->status();
    if (status == 0 || status == 200 || status == 206 || is_passing_status(status)) {
      try_again(code);
      return;
    }
  }
  if (is_passing_status(http_->status())) {
    wait_as_asked();
  } else if (!resolved_) {
    ended_head();
  } else {
    ended_body(code);
  }
}

void TransferJob::ended_head() {
  const long status = http_->status();
  const std::string location = http_->header("location");
  if (status >= 300 && status < 400 && !location.empty() && !is_absolute_address(location)) {
    redirect(location);
    resolve_url_ = url_;
    return;
  }
  if (status >= 400 || status < 200) fail_for_status(asked(), answer());
  const bool of_hub = !http_->header("x-repo-commit").empty();
  if (!of_hub && is_page(http_->header("content-type"))) fail_for_page(asked());
  const std::string linked = http_->header("x-linked-etag");
  const std::string etag = linked.empty() ? http_->header("etag") : linked;
  if (etag.empty()) {
    fail_for_stranger(asked(), status >= 300 ? "it redirects to " + host_of(resolve_address(url_, location)) : "no ETag");
  }
  accept_head(etag);
}

void TransferJob::accept_head(const std::string& etag) {
  const long status = http_->status();
  Resolved r;
  r.digest = digest_of_etag(etag);
  if (!r.digest.known()) fail_for_stranger(asked(), "its ETag is not a hash");
  const std::string linked = http_->header("x-linked-size");
  const auto bytes = number(!linked.empty() ? linked : status < 300 ? http_->header("content-length") : "");
  if (!bytes) fail_for_stranger(asked(), "no size");
  r.bytes = *bytes;
  r.commit = http_->header("x-repo-commit");
  if (!is_commit(r.commit)) r.commit = is_commit(transfer_.revision) ? transfer_.revision : "";
  const std::string location = http_->header("location");
  r.url = status >= 300 ? resolve_address(url_, location) : url_;
  if (origin_of(r.url).empty()) fail_for_stranger(asked(), "a redirect to no address");
  const bool other_hash = transfer_.digest.kind == r.digest.kind && transfer_.digest != r.digest;
  if ((transfer_.bytes != 0 && r.bytes != transfer_.bytes) || (transfer_.digest.known() && other_hash)) {
    fail(ErrorCode::format, host_of(url_), " has another ", transfer_.repository, ": ", transfer_.file, " than was published (",
         r.bytes, " bytes, ", r.digest.hex.substr(0, 12), "...)",
         hint("fetch it from elsewhere (HF_ENDPOINT), or take ", "what is there with ", transfer_.repository, "@main"));
  }
  resolved_ = std::move(r);
  if (transfer_.head_only) complete({});
}

void TransferJob::redirect(const std::string& location) {
  const std::string next = resolve_address(url_, location);
  if (origin_of(next).empty()) fail_for_stranger(asked(), "a redirect to no address");
  if (origin_of(url_).starts_with("https://") && !origin_of(next).starts_with("https://"))
    fail_for_stranger(asked(), "a redirect to an address without encryption, " + host_of(next));
  if (++hops_ > kMaxHops) fail_for_stranger(asked(), "redirects without an end");
  url_ = next;
}

void TransferJob::ended_body(CURLcode code) {
  const long status = http_->status();
  if (again_) {
    if (++restarts_ > kMaxRestarts) fail_for_stranger(asked(), "it sends other ranges than it is asked for");
    return;
  }
  if (status >= 300 && status < 400 && status != 304 && !http_->header("location").empty()) {
    redirect(http_->header("location"));
    resolved_->url = url_;
    return;
  }
  hops_ = 0;
  if (status == 416 && file_) {
    if (++restarts_ > kMaxRestarts) fail_for_stranger(asked(), "no range suits it");
    file_->restart();
    return;
  }
  if (status != 200 && status != 206) {
    refused();
    return;
  }
  if (!checked_) check_first_bytes();  // an empty body
  if (!transfer_.place) {
    complete({});
  } else if (file_->size() < resolved_->bytes) {
    try_again(code == CURLE_OK ? CURLE_PARTIAL_FILE : code);
  } else {
    finish_file();
  }
}

// Signed addresses expire; the hub, or the first address, gives a new one.
void TransferJob::refused() {
  const bool signed_address = resolved_->url != resolve_url_;
  if (!signed_address || ++resolutions_ > kMaxResolutions) fail_for_status(asked(), answer());
  if (transfer_.hub_file) {
    resolved_.reset();
    file_.reset();
  } else {
    resolved_->url = transfer_.url;
  }
}

void TransferJob::finish_file() {
  const std::string where = transfer_.repository.empty() ? "ESPALIER_MIRROR" : "HF_ENDPOINT";
  try {
    file_->finish();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::format) throw;
    // The beginning may be of another version of the file, or damaged: once more, from the first byte.
    if (std::exchange(resumed_, false)) return;
    fail(ErrorCode::format, transfer_.file, " ", error.what(), " from ", host_of(url_.empty() ? transfer_.url : url_),
         ": it is not the published file", hint("try again later, or fetch it from elsewhere (", where, ")"));
  }
  if (!has_known_hash()) {
    std::error_code ignored;
    std::filesystem::remove(placement_.file, ignored);
    fail_for_other_file();
  }
  complete(placement_.file);
}

// Of small files the hub gives the hash of git; ours is another.
bool TransferJob::has_known_hash() const {
  return !transfer_.digest.known() || transfer_.digest.kind == resolved_->digest.kind ||
         digest_of_file(placement_.file, transfer_.digest.kind) == transfer_.digest;
}

void TransferJob::fail_for_other_file() const {
  fail(ErrorCode::format, transfer_.file, " from ", host_of(url_.empty() ? transfer_.url : url_), " is not the published file",
       hint("fetch it from elsewhere (", transfer_.repository.empty() ? "ESPALIER_MIRROR" : "HF_ENDPOINT", ")"));
}

void TransferJob::complete(const std::filesystem::path& file) {
  done_ = true;
  if (http_) result_.link = http_->header("link");
  result_.resolved = *resolved_;
  result_.file = file;
  file_.reset();
  if (observer_.progress && transfer_.place) observer_.progress(index_, resolved_->bytes);
  if (observer_.finished) observer_.finished(index_, result_);
}

void TransferJob::try_again(CURLcode code) {
  const std::string detail = http_->error_text(code);
  if (!is_passing(code)) fail_for_transfer(asked(), code, detail, 1);
  ++attempts_;
  const bool nobody = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT;
  const int most = nobody ? std::min(kQuickAttempts, options_.attempts) : options_.attempts;
  if (attempts_ >= most) fail_for_transfer(asked(), code, detail, attempts_);
  if (resolved_ && resolved_->url != resolve_url_ && transfer_.hub_file && nobody)
    resolved_.reset();  // another host may answer
  if (!resolved_) file_.reset();
  const double delay = std::min(kLongestBackOff, options_.first_delay * std::ldexp(1.0, attempts_ - 1));
  wait(delay, str(host_of(url_), " does not answer; attempt ", attempts_ + 1, " of ", most));
}

// 429, and the server's own troubles.
void TransferJob::wait_as_asked() {
  const long status = http_->status();
  const std::string host = host_of(url_);
  const auto asked_for = asked_delay(*http_);
  ++attempts_;
  if (asked_for && *asked_for > options_.longest_delay) {
    fail(ErrorCode::io, host, " has had too many requests (", status, ") and asks to wait ", std::llround(*asked_for), " s",
         hint("run the command again then", asked().with_token ? "" : ", or set HF_TOKEN, which allows more"));
  }
  if (attempts_ >= options_.attempts) {
    if (status != 429) fail_for_status(asked(), answer());
    fail(ErrorCode::io, host, " has had too many requests (429, ", attempts_, " attempts)",
         hint("run the command again in some minutes", asked().with_token ? "" : ", or set HF_TOKEN, which allows more"));
  }
  const double back_off = std::min(kLongestBackOff, options_.first_delay * std::ldexp(1.0, attempts_ - 1));
  const double delay = std::max(asked_for.value_or(back_off), std::min(back_off, 1.0));
  wait(delay, str(host, " asks to wait (", status, "), ", std::llround(std::ceil(delay)), " s"));
}

void TransferJob::wait(double seconds, const std::string& why) {
  due_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  if (observer_.waiting) observer_.waiting(why);
}

}  // namespace espalier::hub
