// Fetches files over HTTP: several at once, continued where they stopped, verified before they count.
//
// Files of a hub are asked for with HEAD first, whose relative redirects are followed and whose absolute one is not: it names
// the signed address to fetch from, which is asked for again when it has expired. The token goes to the hub's own address
// alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/digest.h"
#include "hub/http.h"
#include "hub/partial_file.h"

namespace espalier::hub {

// What the server says a file is.
struct Resolved {
  std::string url;     // to fetch from
  Digest digest;       // of the file
  std::string commit;  // of the repository; may be empty
  std::uint64_t bytes = 0;
};

struct Transfer {
  std::string file{}, repository{}, revision{};  // for messages; repository empty: an address of its own
  std::string url{};
  bool hub_file = false;                              // ask with HEAD first
  std::uint64_t bytes = 0;                            // that are expected; 0: as the server says
  Digest digest{};                                    // that is expected; none: as the server says
  std::function<Placement(const Resolved&)> place{};  // empty: into memory
  std::uint64_t limit = 0;                            // bytes in memory at most
  bool head_only = false;                             // of a hub file: only what HEAD says
};

struct Transferred {
  Resolved resolved;
  std::filesystem::path file;       // where it is; empty in memory
  std::string body, link;           // in memory; the header Link
  std::uint64_t fetched_bytes = 0;  // over the network
};

struct TransferOptions {
  HttpOptions http{};
  std::string endpoint;  // of the hub
  std::string token;     // may be empty
  int parallel = 4;
  int attempts = 5;              // in a row without a byte
  double first_delay = 1.0;      // seconds before the second attempt; doubled for each further one
  double longest_delay = 300.0;  // that a server may ask for
};

struct TransferObserver {
  std::function<void(std::size_t, std::uint64_t)> progress{};       // transfer, bytes of it that are here
  std::function<void(std::size_t, const Transferred&)> finished{};  // transfer, which is whole and verified
  std::function<void(const std::string&)> waiting{};                // what for; empty: no longer
  std::function<void()> tick{};                                     // about ten times a second
  std::function<bool()> cancelled{};
};

// All of them, in the order given. The first failure that no repetition helps stops the others; what came is kept. Throws
// Error with one line that says what to do.
std::vector<Transferred> run_transfers(const std::vector<Transfer>& transfers, const TransferOptions& options,
                                       const TransferObserver& observer);

}  // namespace espalier::hub
