#include "geometry/repair/clean.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "geometry/mesh/mesh_quality.h"
#include "geometry/repair/untangle.h"
#include "geometry/simplify/simplify.h"

namespace espalier {
namespace {

// Progress of one step as percent of the whole.
class Part final : public Monitor {
 public:
  Part(const Monitor* whole, int from, int to) : whole_(whole), from_(from), to_(to) { progress(0, 1); }
  void progress(int done, int total) const override {
    if (whole_ == nullptr || total <= 0) return;
    whole_->progress(from_ + static_cast<int>(std::int64_t{to_ - from_} * std::clamp(done, 0, total) / total), 100);
  }
  [[nodiscard]] bool cancelled() const override { return whole_ != nullptr && whole_->cancelled(); }

 private:
  const Monitor* whole_;
  int from_, to_;
};

class Cleaner {
 public:
  Cleaner(const Mesh& mesh, const CountViews& count_views, const CleanOptions& options, const Monitor* monitor)
      : count_views_(count_views), options_(options), monitor_(monitor) {
    check_mesh(mesh, "clean-up");
    if (mesh.faces.empty()) fail(ErrorCode::invalid_argument, "clean-up: the mesh has no faces");
    if (!mesh.uvs.empty()) {
      fail(ErrorCode::unsupported, "clean-up: the mesh has texture coordinates, which do not survive",
           hint("clean up before unwrapping"));
    }
    if (options.faces < 0) {
      fail(ErrorCode::invalid_argument, "clean-up: ", options.faces, " faces asked for",
           hint("at least 1 is needed, or 0 to go by ratio"));
    }
    target_ = options.faces > 0 ? options.faces : faces_after(mesh.face_count(), options.ratio);
  }

  Mesh run(const Mesh& given, CleanReport& report) {
    correct(given);
    drop_hidden(report);
    fill(report);
    drop_small(report);
    drop_enclosed(report);
    Mesh result = finish(std::move(mesh_));
    Part(monitor_, 100, 100).check();
    return result;
  }

 private:
  void nothing_left(const char* step) const {
    if (mesh_.faces.empty()) fail(ErrorCode::invalid_argument, "clean-up: no face is left after ", step);
  }

  void correct(const Mesh& given) {
    const Part part(monitor_, 0, 5);
    mesh_ = welded(given, options_.weld_tolerance);
    part.check();
    mesh_ = without_duplicate_faces(mesh_);
    part.check();
    mesh_ = without_degenerate_faces(mesh_);
    part.check();
    nothing_left("faces without area were removed: the mesh has no surface, or the tolerance of welding is too large");
  }

  void drop_hidden(CleanReport& report) {
    if (!options_.drop_hidden || !count_views_) return;
    const Part first(monitor_, 5, 30);
    const std::int64_t working = std::max(kWorkingLeast, std::min(target_, mesh_.face_count()) * kWorkingFactor);
    if (mesh_.face_count() > working) mesh_ = roughly_simplified(mesh_, working, &first);
    const Part look(monitor_, 30, 70);
    const Visibility visibility = count_views_(mesh_, &look);
    const Part part(monitor_, 70, 78);
    part.check();
    HiddenFaceOptions hidden = options_.hidden;
    hidden.views = visibility.views;
    report.working_faces = mesh_.face_count();
    mesh_ = without_hidden_faces(mesh_, visibility.seen, hidden, &part);
    report.hidden_faces = report.working_faces - mesh_.face_count();
  }

  void fill(CleanReport& report) {
    if (!options_.fill_holes) return;
    const Part part(monitor_, 78, 83);
    mesh_ = holes_filled(mesh_, options_.holes, &part, &report.holes);
  }

  void drop_small(CleanReport& report) {
    if (!options_.drop_small) return;
    const Part part(monitor_, 83, 85);
    part.check();
    const std::int64_t faces = mesh_.face_count();
    mesh_ = without_small_pieces(mesh_, options_.small);
    report.small_faces = faces - mesh_.face_count();
  }

  void drop_enclosed(CleanReport& report) {
    if (!options_.drop_enclosed) return;
    const Part part(monitor_, 85, 87);
    part.check();
    const std::int64_t faces = mesh_.face_count();
    mesh_ = without_enclosed_pieces(mesh_, &part);
    report.enclosed_faces = faces - mesh_.face_count();
  }

  [[nodiscard]] Mesh finish(Mesh mesh) const {
    const Part part(monitor_, 87, 98);
    if (mesh.face_count() > target_) mesh = simplified(mesh, target_, &part);
    const Part last(monitor_, 98, 100);
    return options_.untangle ? untangled(mesh, &last) : mesh;
  }

  const CountViews& count_views_;
  const CleanOptions& options_;
  const Monitor* monitor_;
  std::int64_t target_ = 0;
  Mesh mesh_;
};

}  // namespace

Mesh cleaned(const Mesh& mesh, const CountViews& count_views, const CleanOptions& options, const Monitor* monitor,
             CleanReport* report) {
  CleanReport found;
  Cleaner cleaner(mesh, count_views, options, monitor);
  Mesh result = cleaner.run(mesh, found);
  if (report != nullptr) {
    found.before = report_of(mesh);
    found.after = report_of(result);
    *report = found;
  }
  return result;
}

}  // namespace espalier
