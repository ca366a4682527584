#include "decode_gate.h"

#include <algorithm>

#include "http_connection.h"

namespace espalier::server {
namespace {

// Takes the ticket out of the line whatever ends the wait.
template <class Line>
class Place {
 public:
  Place(Line& line, typename Line::iterator at) : line_(line), at_(at) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { line_.erase(at_); }

 private:
  Line& line_;
  typename Line::iterator at_;
};

[[noreturn]] void refuse(const char* what) {
  throw HttpError(503, "unavailable", std::string("the server is busy with other images: ") + what, "try again later");
}

}  // namespace

std::uint64_t DecodeGate::room_of(Kind kind) const {
  return kind == Kind::job ? limits_.bytes : std::min(limits_.bytes, limits_.preview_bytes);
}

bool DecodeGate::may_pass(std::list<Ticket>::const_iterator mine, std::uint64_t bytes) const {
  return mine == waiting_.begin() && (used_ == 0 || used_ + bytes <= room_of(mine->kind));
}

DecodeGate::Pass DecodeGate::enter(Kind kind, std::uint64_t bytes, const std::function<bool()>& client_left) {
  constexpr auto kLook = std::chrono::milliseconds(100);
  const std::uint64_t cost = std::min(bytes, room_of(kind));
  const auto end = Clock::now() + (kind == Kind::job ? limits_.job_patience : limits_.preview_patience);
  std::unique_lock lock(mutex_);
  const auto same = std::count_if(waiting_.begin(), waiting_.end(), [&](const Ticket& t) { return t.kind == kind; });
  if (static_cast<std::size_t>(same) >= (kind == Kind::job ? limits_.jobs : limits_.previews)) refuse("too many wait already");
  const auto behind = kind == Kind::preview ? waiting_.end()
                                            : std::find_if(waiting_.begin(), waiting_.end(),
                                                           [](const Ticket& t) { return t.kind == Kind::preview; });
  const auto mine = waiting_.insert(behind, Ticket{kind});
  {
    const Place place(waiting_, mine);
    while (!may_pass(mine, cost)) {
      changed_.wait_for(lock, kLook);
      if (client_left()) {
        changed_.notify_all();
        throw Gone();
      }
      if (Clock::now() >= end && !may_pass(mine, cost)) {
        changed_.notify_all();
        refuse("the wait took too long");
      }
    }
    if (client_left()) {
      changed_.notify_all();
      throw Gone();
    }
    used_ += cost;
  }
  changed_.notify_all();  // the next one is at the head of the line now
  return {*this, cost};
}

void DecodeGate::leave(std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  used_ -= bytes;
  changed_.notify_all();
}

}  // namespace espalier::server
