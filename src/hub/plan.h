// What a name stands for: repositories with their commits and files, and single files.
#pragma once

#include <string>
#include <vector>

#include "espalier/models.h"
#include "hub/caches.h"
#include "hub/catalogue.h"
#include "hub/digest.h"
#include "hub/meter.h"
#include "hub/paths.h"

namespace espalier::hub {

struct PlannedFile {
  KnownFile file;
  Digest digest;        // none when neither we nor the hub have said it yet
  bool of_hub = false;  // the hub itself gave it, so its kind is the one that names the file's blob
};

struct PlannedPart {
  Part part;              // without files: they are in `files`
  std::string commit;     // of a repository
  std::string requested;  // the branch or tag that led to it; may be empty
  std::vector<PlannedFile> files;
  bool optional = false;  // the model is fetched even where this cannot be had
};

// A model of the catalogue with its pinned revisions, or any repository of the hub, whose list of files is asked for then, with
// what its pipeline.json refers to. Offline, a repository is what its snapshot in the caches holds. Throws not_found for
// unknown names, naming the known ones.
[[nodiscard]] std::vector<PlannedPart> plan_model(const std::string& name, const Caches& caches, bool offline, Meter& meter,
                                                  const PullObserver& observer);

[[nodiscard]] PlannedPart planned(const Part& part);
// "a, b and c" of the catalogue.
[[nodiscard]] std::string known_names();

}  // namespace espalier::hub
