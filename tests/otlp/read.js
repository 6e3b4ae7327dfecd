// SPDX-License-Identifier: MIT
/*
 * read.js REQUEST.json... - OTLP requests as a collector reads them: OpenTelemetry's own generated
 * code (npm) takes the JSON, packs it as protobuf and unpacks that. Nothing may get lost on the
 * way, so that each name in it is one of the schema; and what comes out is checked against what the
 * data model says of metrics, and printed as Prometheus's text, as collectors translate it.
 */
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");

const modules = path.join(process.env.MODULES, "@opentelemetry/otlp-transformer");
const { opentelemetry } = require(path.join(modules, "build/src/generated/root.js"));
const Request = opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest;
const { AggregationTemporality } = opentelemetry.proto.metrics.v1;

const KNOWN_UNITS = { "": "", s: "_seconds", 1: "_ratio" }; // of UCUM, and the suffix for them
const SUFFIX = { sum: "_total", gauge: "", histogram: "" };

/* The JSON through the schema: an object of plain values, 64-bit integers as strings. */
function unpack(json) {
	// An empty list is none, in protobuf.
	const request = JSON.parse(json, (key, value) => (Array.isArray(value) && value.length === 0 ? undefined : value));
	const message = Request.fromObject(request);

	assert.equal(Request.verify(message), null);
	// What the schema does not know would be missing here.
	assert.deepEqual(Request.toObject(message, { longs: String }), request, "not all of it is OTLP");
	const packed = Request.encode(message).finish();

	return Request.toObject(Request.decode(packed), { longs: String, defaults: true, arrays: true });
}

const valueOf = (any) => any.stringValue ?? any.intValue;

function labels(attributes, more) {
	const pairs = attributes.map(({ key, value }) => [key, valueOf(value)]);

	assert.equal(new Set(pairs.map(([key]) => key)).size, pairs.length, "an attribute twice");
	pairs.forEach(([key, value]) => assert(key && value !== undefined && value !== "", `attribute ${key}`));
	const text = [...pairs, ...more].map(([key, value]) =>
		`${key}="${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`);

	return text.length > 0 ? `{${text.join(",")}}` : "";
}

function histogram(name, point, line) {
	const { attributes, bucketCounts, explicitBounds } = point;
	let below = 0n;

	assert.equal(bucketCounts.length, explicitBounds.length + 1);
	explicitBounds.forEach((bound, i) => assert(i === 0 || bound > explicitBounds[i - 1], "bounds do not rise"));
	bucketCounts.forEach((count, i) => {
		const le = i < explicitBounds.length ? String(explicitBounds[i]) : "+Inf";

		below += BigInt(count);
		line(`${name}_bucket`, labels(attributes, [["le", le]]), below);
	});
	assert.equal(String(below), point.count, "buckets and their count");
	line(`${name}_sum`, labels(attributes, []), point.sum);
	line(`${name}_count`, labels(attributes, []), point.count);
}

function metric({ name, unit, description, ...rest }, line) {
	const kind = ["sum", "gauge", "histogram"].find((one) => rest[one]);
	const data = rest[kind];
	const full = name + KNOWN_UNITS[unit] + SUFFIX[kind];

	assert.match(name, /^smap_[a-z0-9_]+$/);
	assert(!name.endsWith("_total") && unit in KNOWN_UNITS && description, name);
	assert(kind === "gauge" || data.aggregationTemporality === AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE, name);
	assert(kind !== "sum" || data.isMonotonic, name);
	assert(data.dataPoints.length > 0, `${name} has no point`);
	data.dataPoints.forEach((point) => {
		assert(BigInt(point.timeUnixNano) > 0n && BigInt(point.startTimeUnixNano) <= BigInt(point.timeUnixNano), name);
		assert(kind !== "gauge" || point.startTimeUnixNano === "0", `${name}: a gauge has no start`);
		if (kind === "histogram")
			histogram(full, point, line);
		else
			line(full, labels(point.attributes, []), point.asInt ?? point.asDouble);
	});
	return name;
}

function request(json) {
	const lines = [];
	const { resourceMetrics } = unpack(json);

	assert.equal(resourceMetrics.length, 1);
	const [{ resource, scopeMetrics }] = resourceMetrics;
	const of = Object.fromEntries(resource.attributes.map(({ key, value }) => [key, valueOf(value)]));

	assert.equal(of["service.name"], "smaptrace");
	assert(of["service.version"] && of["service.instance.id"] && of["service.instance.id"] === of["host.name"]);
	assert.equal(scopeMetrics.length, 1);
	assert.equal(scopeMetrics[0].scope.name, "smaptrace");
	const names = scopeMetrics[0].metrics.map((one) => metric(one, (...words) => lines.push(words)));

	assert.equal(new Set(names).size, names.length, "a metric twice");
	return lines.map(([name, set, value]) => `${name}${set} ${value}\n`).join("");
}

for (const file of process.argv.slice(2))
	fs.writeFileSync(file.replace(/\.json$/, ".read"), request(fs.readFileSync(file, "utf8")));
