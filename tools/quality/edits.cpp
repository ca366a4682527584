#include "edits.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "edit_scores.h"
#include "image/codec.h"

namespace espalier::quality {
namespace {

constexpr int kImageSize = 518;
constexpr float kTolerance = 1.0F / 32;
constexpr double kVoxel = 1.0;  // a step up to which a joint counts as smooth

class Edits {
 public:
  Edits(const Settings& settings, const EditSettings& edits)
      : settings_(settings), edits_(edits), pipeline_(settings.pipeline) {
    std::filesystem::create_directories(settings.folder);
  }

  void run(const EditCase& example, std::size_t number, const std::function<void(const EditRow&)>& add) {
    const Asset before = pipeline_.generate(request_for(example.before, "edit-" + std::to_string(number) + "-before.png"));
    const Request wanted = request_for(example.after, "edit-" + std::to_string(number) + "-after.png");
    const Asset unedited = pipeline_.generate(wanted);
    const Mesh& whole = *unedited.data().mesh;
    const double step_unedited = step_at_border(whole, example.after, example.box);
    const double f_before = f_score_inside(*before.data().mesh, example.after, example.box, kTolerance);
    const double colour_before = colour_error_inside(*before.data().mesh, example.after, example.box);
    for (const int resample : edits_.resample) {
      for (const int rim : edits_.rims) {
        EditRequest part;
        part.region = example.region();
        part.resample = resample;
        part.rim = rim;
        const Asset after = pipeline_.edit(before, part, wanted);
        EditRow row = row_of(before, after, example, whole);
        row.step_unedited = step_unedited;
        row.resample = resample;
        row.rim = rim;
        row.f_before = f_before;
        row.colour_before = colour_before;
        add(row);
      }
    }
  }

 private:
  [[nodiscard]] Request request_for(const HeldOutObject& object, const std::string& name) const {
    Request request = settings_.request();
    request.images = {settings_.folder / name};
    write_file(settings_.folder / name, encode_png(object.image(kImageSize)));
    return request;
  }

  [[nodiscard]] static EditRow row_of(const Asset& before, const Asset& after, const EditCase& example, const Mesh& unedited) {
    EditRow row;
    row.family = example.after.family();
    const Mesh& mesh = *after.data().mesh;
    row.outside_same = outside_is_same(before.data(), after.data());
    row.open_edges = open_edges_of(mesh);
    row.step = step_at_border(mesh, example.after, example.box, &unedited);
    row.f_after = f_score_inside(mesh, example.after, example.box, kTolerance);
    row.colour_after = colour_error_inside(mesh, example.after, example.box);
    for (const StageReport& stage : after.stages()) row.seconds += stage.seconds;
    return row;
  }

  const Settings& settings_;
  const EditSettings& edits_;
  Pipeline pipeline_;
};

}  // namespace

std::vector<EditRow> evaluate_edits(std::span<const HeldOutObject> objects, const Settings& settings, const EditSettings& edits,
                                    const std::function<void(const EditRow&)>& on_row) {
  constexpr std::size_t kPerFamily = 2;
  const std::vector<EditCase> cases = edit_cases(objects, edits.cases, kPerFamily);
  if (cases.size() < edits.cases || cases.empty()) {
    fail(ErrorCode::invalid_argument, "the set has ", cases.size(), " objects with a part to replace, two of a family",
         hint("choose --edits within it, or another --set"));
  }
  Edits evaluation(settings, edits);
  std::vector<EditRow> rows;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    evaluation.run(cases[i], i, [&](const EditRow& row) {
      rows.push_back(row);
      on_row(row);
    });
  }
  return rows;
}

std::vector<EditSummary> summaries_of(const std::vector<EditRow>& rows) {
  std::vector<EditSummary> all;
  for (const EditRow& row : rows) {
    auto s = std::find_if(all.begin(), all.end(),
                          [&](const EditSummary& x) { return x.resample == row.resample && x.rim == row.rim; });
    if (s == all.end()) {
      all.push_back({});
      s = all.end() - 1;
      s->resample = row.resample;
      s->rim = row.rim;
    }
    ++s->edits;
    s->same += row.outside_same ? 1 : 0;
    s->closed += row.open_edges == 0 ? 1 : 0;
    s->smooth += row.step <= kVoxel ? 1 : 0;
    s->better += row.f_after > row.f_before ? 1 : 0;
    s->largest_step = std::max(s->largest_step, row.step);
    s->f_before += row.f_before;
    s->f_after += row.f_after;
    s->colour_before += row.colour_before;
    s->colour_after += row.colour_after;
    s->seconds += row.seconds;
  }
  for (EditSummary& s : all) {
    for (double* sum : {&s.f_before, &s.f_after, &s.colour_before, &s.colour_after, &s.seconds})
      *sum /= static_cast<double>(s.edits);
  }
  return all;
}

nlohmann::ordered_json json_of(const std::vector<EditRow>& rows) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const EditRow& r : rows) {
    out.push_back({{"family", r.family},
                   {"resample", r.resample},
                   {"rim", r.rim},
                   {"outside_same", r.outside_same},
                   {"open_edges", r.open_edges},
                   {"step", r.step},
                   {"step_unedited", r.step_unedited},
                   {"f_before", r.f_before},
                   {"f_after", r.f_after},
                   {"colour_before", r.colour_before},
                   {"colour_after", r.colour_after},
                   {"seconds", r.seconds}});
  }
  return out;
}

}  // namespace espalier::quality
