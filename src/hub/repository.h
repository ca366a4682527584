// What a repository of the hub holds, as the hub says.
#pragma once

#include <string>
#include <vector>

#include "hub/digest.h"
#include "hub/paths.h"
#include "hub/transfer.h"

namespace espalier::hub {

struct TreeFile {
  std::string path;
  std::uint64_t bytes = 0;
  Digest digest;
};

class Repository {
 public:
  Repository(const Paths& paths, std::string name, std::string revision);

  // Every file, by path; all pages. Throws as run_transfers does, and format for what is no list of files.
  [[nodiscard]] std::vector<TreeFile> files(const TransferOptions& options, const TransferObserver& observer) const;
  // The commit that the revision means; asked of one file that exists.
  [[nodiscard]] std::string commit(const std::string& file, const TransferOptions& options,
                                   const TransferObserver& observer) const;
  // The text of a small file.
  [[nodiscard]] std::string text(const std::string& file, const TransferOptions& options,
                                 const TransferObserver& observer) const;
  // How to fetch a file; `place` is left to the caller.
  [[nodiscard]] Transfer transfer(const std::string& file) const;

 private:
  std::string endpoint_, name_, revision_;
};

[[nodiscard]] TransferOptions transfer_options(const Paths& paths, int parallel);

}  // namespace espalier::hub
