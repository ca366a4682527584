// The order of the jobs that wait, and whether any of them begins.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "job_store.h"

namespace espalier::server {

bool JobStore::paused() {
  const std::scoped_lock lock(mutex_);
  return paused_;
}

void JobStore::pause(bool paused) {
  const std::scoped_lock lock(mutex_);
  const std::filesystem::path mark = folder_ / kPausedFile;
  if (paused) {
    const int fd = ::open(mark.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) throw StorageError::of_system(mark.string(), errno);
    ::close(fd);
  } else if (::unlink(mark.c_str()) != 0 && errno != ENOENT) {
    throw StorageError::of_system(mark.string(), errno);
  }
  paused_ = paused;
}

// The jobs between its old place and its new one take each other's places; nobody else is touched.
void JobStore::move(const std::string& id, const JobChange& change) {
  Database& db = *database_;
  Statement own(db, "SELECT state, kind = 'export' FROM jobs WHERE id = ?", id);
  if (!own.step()) return;  // whoever asked is told so
  const std::string state = own.text(0);
  const auto lane = own.number(1);
  if (state != "queued")
    throw HttpError(409, "conflict", "job " + id + " does not wait (it is " + state + ")", "only jobs that wait can be moved");
  Statement running(db, "SELECT count(*) FROM jobs WHERE state = 'running' AND (kind = 'export') = ?", lane);
  const std::int64_t ahead = running.step() ? running.number(0) : 0;
  std::vector<std::string> order;
  std::vector<std::int64_t> places, before;
  Statement rows(db, "SELECT id, place FROM jobs WHERE state = 'queued' AND (kind = 'export') = ? ORDER BY place, sequence",
                 lane);
  while (rows.step()) {
    order.push_back(rows.text(0));
    before.push_back(rows.number(1));
    places.push_back(places.empty() ? before.back() : std::max(before.back(), places.back() + 1));
  }
  const auto from = std::find(order.begin(), order.end(), id) - order.begin();
  std::ptrdiff_t to = 0;
  if (change.before) {
    to = std::find(order.begin(), order.end(), *change.before) - order.begin();
    if (to == std::ssize(order))
      throw HttpError(409, "conflict", "job " + *change.before + " does not wait in the same lane", "list the queue again");
    if (to > from) --to;
  } else {
    to = std::clamp<std::int64_t>(*change.position - ahead, 0, std::ssize(order) - 1);
  }
  std::vector<std::string> moved = order;
  moved.erase(moved.begin() + from);
  moved.insert(moved.begin() + to, id);
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (moved[i] == order[i] && places[i] == before[i]) continue;
    Statement(db, "UPDATE jobs SET place = ?, revision = revision + 1 WHERE id = ?", places[i], moved[i]).run();
    unwritten_.insert(moved[i]);  // the records in the folders follow in a quiet moment
  }
}

}  // namespace espalier::server
