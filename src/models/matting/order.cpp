#include <algorithm>
#include <functional>
#include <map>
#include <queue>

#include "base/error.h"
#include "models/matting/plan.h"

namespace espalier {
namespace {

constexpr std::size_t kGiven = static_cast<std::size_t>(-1);  // made by no node: an input or a stored tensor

// Node that makes each value.
std::map<std::string_view, std::size_t> makers(const std::string& label, const OnnxGraph& graph) {
  std::map<std::string_view, std::size_t> result;
  for (const OnnxTensor& tensor : graph.initializers) {
    if (!result.emplace(tensor.name, kGiven).second) {
      fail(ErrorCode::format, label, ": tensor ", printable(tensor.name), " is stored twice",
           hint("the file is damaged, fetch it again"));
    }
  }
  // Old exporters list stored tensors among the inputs too.
  for (const OnnxValue& input : graph.inputs) result.emplace(input.name, kGiven);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string_view output : graph.nodes[i].outputs) {
      if (!output.empty() && !result.emplace(output, i).second) {
        fail(ErrorCode::format, label, ": value ", printable(output), " is made twice",
             hint("the graph is not valid, use the published file"));
      }
    }
  }
  return result;
}

}  // namespace

std::vector<std::size_t> execution_order(const std::string& label, const OnnxGraph& graph) {
  const std::map<std::string_view, std::size_t> made_by = makers(label, graph);
  std::vector<std::vector<std::size_t>> readers(graph.nodes.size());
  std::vector<std::size_t> open(graph.nodes.size(), 0);  // inputs still to be made
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string_view input : graph.nodes[i].inputs) {
      if (input.empty()) continue;
      const auto it = made_by.find(input);
      if (it == made_by.end()) {
        fail(ErrorCode::format, label, ": node ", printable(graph.nodes[i].name), " (", printable(graph.nodes[i].op),
             ") reads the value ", printable(input), ", which nothing makes",
             hint("the graph is not valid, use the published file"));
      }
      if (it->second == kGiven) continue;
      readers[it->second].push_back(i);
      ++open[i];
    }
  }
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (open[i] == 0) ready.push(i);
  }
  std::vector<std::size_t> order;
  order.reserve(graph.nodes.size());
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (const std::size_t reader : readers[order.back()]) {
      if (--open[reader] == 0) ready.push(reader);
    }
  }
  if (order.size() < graph.nodes.size()) {
    const auto stuck = std::find_if(open.begin(), open.end(), [](std::size_t n) { return n > 0; }) - open.begin();
    const OnnxNode& node = graph.nodes[static_cast<std::size_t>(stuck)];
    fail(ErrorCode::format, label, ": node ", printable(node.name), " (", printable(node.op), ") depends on itself",
         hint("the graph is not valid, use the published file"));
  }
  return order;
}

}  // namespace espalier
