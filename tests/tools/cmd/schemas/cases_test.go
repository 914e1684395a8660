// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// question is data of a ConfigMap, and whether it is refused.
type question struct {
	data    map[string]string
	refused bool
}

func accepted(data ...string) question { return question{data: pairs(data)} }

func refused(data ...string) question { return question{data: pairs(data), refused: true} }

// pairs are keys and values by turns.
func pairs(data []string) map[string]string {
	all := make(map[string]string, len(data)/2)
	for i := 0; i+1 < len(data); i += 2 {
		all[data[i]] = data[i+1]
	}
	return all
}

// agreement has what is asked of the schema and of the plugin, by action.
func agreement() map[string]map[string]question {
	return map[string]map[string]question{
		restoreitemaction.AnnotationsName:         annotations(),
		restoreitemaction.FlexVolumeToCSIName:     flag("enabled"),
		restoreitemaction.ImageMappingName:        imageMapping(),
		restoreitemaction.LoadBalancerName:        loadBalancer(),
		restoreitemaction.StorageClassMappingName: storageClassMapping(),
		backupitemaction.SystemNamespacesName:     flag("enabled"),
		backupitemaction.UnmountedVolumesName:     unmountedVolumes(),
	}
}

func annotations() map[string]question {
	rule := func(yaml string, verdict func(...string) question) question { return verdict("rules", "- "+yaml) }
	return map[string]question{
		"no data":                         refused(),
		"no rules":                        accepted("rules", "[]"),
		"an unknown key of the data":      refused("rules", "[]", "rule", "[]"),
		"text for a list":                 refused("rules", "none"),
		"a map for a list":                refused("rules", "set: {a: b}"),
		"null":                            refused("rules", "~"),
		"what is no YAML":                 refused("rules", "- [a"),
		"set":                             rule("set: {example.com/a: b}", accepted),
		"numbers and bools as values":     rule("set: {a: 1, b: true, c: 1.10}", accepted),
		"overwrite and remove":            rule("{overwrite: {a: b}, remove: [c]}", accepted),
		"a key with upper case":           rule("remove: [Example.COM/a_B]", accepted),
		"all conditions":                  rule("{kinds: [Service], namespaces: [a], names: [a.b], selector: {matchLabels: {a: ''}}, remove: [c]}", accepted),
		"a rule that asks nothing":        rule("namespaces: [a]", refused),
		"a rule that sets nothing":        rule("set: {}", refused),
		"an unknown key of a rule":        rule("{annotations: {a: b}, remove: [a]}", refused),
		"an unknown kind":                 rule("{kinds: [Pod], remove: [a]}", refused),
		"no kinds":                        rule("{kinds: [], remove: [a]}", refused),
		"text for kinds":                  rule("{kinds: Service, remove: [a]}", refused),
		"no namespaces":                   rule("{namespaces: [], remove: [a]}", refused),
		"a namespace with a dot":          rule("{namespaces: [a.b], remove: [a]}", refused),
		"a namespace of 64 characters":    rule("{namespaces: ["+strings.Repeat("a", 64)+"], remove: [a]}", refused),
		"a name with upper case":          rule("{names: [A], remove: [a]}", refused),
		"no names":                        rule("{names: [], remove: [a]}", refused),
		"an empty key":                    rule("set: {'': b}", refused),
		"a key with a space":              rule("overwrite: {a b: c}", refused),
		"a key with two slashes":          rule("remove: [a/b/c]", refused),
		"a key that is removed twice":     rule("remove: [a, a]", refused),
		"a map as the value":              rule("set: {a: {b: c}}", refused),
		"null as the value":               rule("set: {a: }", refused),
		"an empty selector":               rule("{selector: {}, remove: [a]}", refused),
		"a selector of nothing":           rule("{selector: {matchLabels: {}}, remove: [a]}", refused),
		"an unknown key of a selector":    rule("{selector: {labels: {a: b}}, remove: [a]}", refused),
		"a label's value with a space":    rule("{selector: {matchLabels: {a: b c}}, remove: [a]}", refused),
		"a label's key with upper case":   rule("{selector: {matchLabels: {A.b/c: d}}, remove: [a]}", refused),
		"In":                              rule("{selector: {matchExpressions: [{key: a, operator: In, values: [b]}]}, remove: [a]}", accepted),
		"In without values":               rule("{selector: {matchExpressions: [{key: a, operator: In}]}, remove: [a]}", refused),
		"In with a malformed value":       rule("{selector: {matchExpressions: [{key: a, operator: In, values: [b c]}]}, remove: [a]}", refused),
		"Exists":                          rule("{selector: {matchExpressions: [{key: a/b, operator: Exists}]}, remove: [a]}", accepted),
		"Exists with values":              rule("{selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}, remove: [a]}", refused),
		"an unknown operator":             rule("{selector: {matchExpressions: [{key: a, operator: Is, values: [b]}]}, remove: [a]}", refused),
		"an expression without a key":     rule("{selector: {matchExpressions: [{operator: Exists}]}, remove: [a]}", refused),
		"an expression with an empty key": rule("{selector: {matchExpressions: [{key: '', operator: Exists}]}, remove: [a]}", refused),
	}
}

// flag has what is asked about a key that is true or false, where no other is required.
func flag(key string) map[string]question {
	return map[string]question{
		"no data":        accepted(),
		"on":             accepted(key, "true"),
		"off":            accepted(key, "false"),
		"a word":         refused(key, "yes"),
		"no value":       refused(key, ""),
		"upper case":     refused(key, "True"),
		"a YAML comment": refused(key, "false # no"),
		"YAML quotes":    refused(key, `"false"`),
		"an unknown key": refused("disabled", "true"),
	}
}

func unmountedVolumes() map[string]question {
	cases := flag("skipUnmounted")
	maps.Copy(cases, map[string]question{
		"all keys":              accepted("skipUnmounted", "true", "dropObjects", "false", "selector", "matchLabels: {tier: cache}"),
		"an expression":         accepted("selector", "matchExpressions: [{key: tier, operator: NotIn, values: [cache]}]"),
		"a selector of nothing": refused("selector", "matchLabels: {}"),
		"a selector as text":    refused("selector", "tier=cache"),
		"objects of a number":   refused("dropObjects", "1"),
	})
	return cases
}

func imageMapping() map[string]question {
	return map[string]question{
		"no data":                        accepted(),
		"an image":                       accepted("case1", "app1:v1,app2:v2"),
		"space around the comma":         accepted("case1", " app1:v1 , app2:v2 "),
		"a repository":                   accepted("case10", "team/app1,team/app2"),
		"tags":                           accepted("case1", "v1,v2", "case2", "V1.0:v2"),
		"a digest":                       accepted("case1", "app1@sha256:"+strings.Repeat("a", 64)+",reg.example:5000/app2:v1"),
		"an IPv6 registry":               accepted("case1", "[::1]:5000/app1,[::1]/app2"),
		"an unknown key":                 refused("image1", "v1,v2"),
		"a key without a number":         refused("case", "v1,v2"),
		"a key with a word":              refused("case1a", "v1,v2"),
		"one side":                       refused("case1", "app1"),
		"an empty old side":              refused("case1", ",app2"),
		"an empty new side":              refused("case1", "app1:v1, "),
		"three sides":                    refused("case1", "a,b,c"),
		"images without a comma":         refused("case1", "team/app1:v2"),
		"a malformed image":              refused("case1", "app 1,app2"),
		"an image with a bad character":  refused("case1", "app1:v1,app2:v2!"),
		"registries":                     accepted("imageRegistryMapping", "docker.io/library/: reg.example:5000/a/b_c\nlocalhost: localhost:5000\n'[::1]:80/a': Quay.io"),
		"a prefix without a registry":    refused("imageRegistryMapping", "library/: quay.io"),
		"an empty prefix":                refused("imageRegistryMapping", "'': quay.io"),
		"an empty replacement":           refused("imageRegistryMapping", "quay.io: ''"),
		"a replacement that is a path":   refused("imageRegistryMapping", "quay.io: team"),
		"a prefix with a tag":            refused("imageRegistryMapping", "quay.io/a:v1: quay.io/b"),
		"a prefix with an upper path":    refused("imageRegistryMapping", "quay.io/A: quay.io/b"),
		"a prefix with two slashes":      refused("imageRegistryMapping", "quay.io//a: quay.io/b"),
		"a scheme":                       refused("imageRegistryMapping", "https://quay.io: quay.io/b"),
		"a list for a map":               refused("imageRegistryMapping", "- quay.io: docker.io"),
		"text for a map":                 refused("imageRegistryMapping", "quay.io"),
		"a list as a replacement":        refused("imageRegistryMapping", "quay.io: [docker.io]"),
		"a key that is there twice":      refused("imageRegistryMapping", "quay.io: docker.io\nquay.io: reg.example"),
		"a document that is empty":       refused("imageRegistryMapping", ""),
		"a document that is null":        refused("imageRegistryMapping", "~"),
		"an empty map maps no registry":  accepted("imageRegistryMapping", "{}"),
		"a number for a registry":        refused("imageRegistryMapping", "quay.io: 5"),
		"a registry with a bad port":     refused("imageRegistryMapping", "quay.io:a: docker.io"),
		"a registry that ends in a dash": refused("imageRegistryMapping", "quay-.io: docker.io"),
	}
}

func loadBalancer() map[string]question {
	return map[string]question{
		"no data":                     accepted(),
		"all keys":                    accepted("reuse", "new", "overrideListeners", "true", "keepNodePorts", "false", "nodePortRange", "1-65535"),
		"an unknown key":              refused("Reuse", "new"),
		"an unknown way":              refused("reuse", "old"),
		"no way":                      refused("reuse", ""),
		"a flag that is a word":       refused("overrideListeners", "on"),
		"a flag that is a number":     refused("keepNodePorts", "1"),
		"a flag that is a list":       refused("keepNodePorts", "[true]"),
		"a range with one end":        refused("nodePortRange", "30000"),
		"a range without its start":   refused("nodePortRange", "-30000"),
		"a range of three":            refused("nodePortRange", "1-2-3"),
		"a range of words":            refused("nodePortRange", "low-high"),
		"a range from 0":              refused("nodePortRange", "0-10"),
		"a port of six digits":        refused("nodePortRange", "1-655350"),
		"a range with another hyphen": refused("nodePortRange", "30000:32767"),
	}
}

func storageClassMapping() map[string]question {
	to := func(yaml string, verdict func(...string) question) question {
		return verdict("rules", "- from: gp2\n  to: {"+yaml+"}")
	}
	return map[string]question{
		"no data":                        accepted(),
		"a row":                          accepted("gp2", "alicloud-disk-essd"),
		"a row of a class with dots":     accepted("a.b-c", "1"),
		"a row with upper case":          refused("GP2", "alicloud-disk-essd"),
		"a row to an underscore":         refused("gp2", "alicloud_disk"),
		"a row to nothing":               refused("gp2", ""),
		"a row to two lines":             refused("gp2", "a\nb"),
		"a class of 254 characters":      refused("gp2", strings.Repeat("a", 254)),
		"missing classes":                accepted("missingClasses", "{disk: a, nas: b}"),
		"one missing class":              accepted("missingClasses", "nas: b"),
		"no missing class":               refused("missingClasses", "{}"),
		"an empty missing class":         refused("missingClasses", "disk: ''"),
		"a missing class of a third":     refused("missingClasses", "oss: a"),
		"text for missing classes":       refused("missingClasses", "alicloud-disk-essd"),
		"a rule of all":                  accepted("rules", "- from: ''\n  namespaces: [a]\n  names: [b.c]\n  selector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}\n  to: {class: a, accessModes: [ReadWriteOnce], capacity: 1Ti}"),
		"a class that looks as a number": accepted("rules", "- {from: 1.10, to: {class: 2}}"),
		"a rule without from":            refused("rules", "- to: {class: a}"),
		"a rule without to":              refused("rules", "- from: gp2"),
		"a malformed class":              refused("rules", "- {from: a_b, to: {class: a}}"),
		"an unknown key of a rule":       refused("rules", "- {from: gp2, namespace: a, to: {class: a}}"),
		"rules that are a map":           refused("rules", "from: gp2\nto: {class: a}"),
		"text for namespaces":            refused("rules", "- {from: gp2, namespaces: a, to: {class: a}}"),
		"no conversion":                  to("", refused),
		"a conversion to no mode":        to("accessModes: []", refused),
		"an unknown key of a conversion": to("storageClass: a", refused),
		"the other spelling":             to("convertToAccessModes: [ReadWriteMany, ReadOnlyMany]", accepted),
		"one Pod":                        to("accessModes: [ReadWriteOncePod]", accepted),
		"one Pod and one node":           to("accessModes: [ReadWriteOnce, ReadWriteOncePod]", refused),
		"both spellings":                 to("accessModes: [ReadWriteOnce], convertToAccessModes: [ReadWriteOnce]", refused),
		"an unknown mode":                to("accessModes: [RWO]", refused),
		"text for modes":                 to("accessModes: ReadWriteOnce", refused),
		"a class that is a list":         to("class: [a]", refused),
		"bytes":                          to("capacity: 42949672960", accepted),
		"a fraction":                     to("capacity: 1.5Gi", accepted),
		"a decimal unit":                 to("capacity: 40G", accepted),
		"an exponent":                    to("capacity: 4e10", accepted),
		"a fraction that begins with .":  to("capacity: .5Ti", accepted),
		"text that is a number":          to(`capacity: "+40"`, accepted),
		"nothing":                        to("capacity: 0", refused),
		"nothing in a unit":              to("capacity: 0.0Gi", refused),
		"less than nothing":              to("capacity: -1Gi", refused),
		"a negative number":              to("capacity: -1", refused),
		"an unknown unit":                to("capacity: 40GB", refused),
		"a lower unit":                   to("capacity: 40gi", refused),
		"a space before the unit":        to("capacity: 40 Gi", refused),
		"a word":                         to("capacity: large", refused),
		"a bool":                         to("capacity: true", refused),
		"no number":                      to("capacity: Gi", refused),
		"an exponent of three digits":    to(`capacity: "1e100"`, refused),
	}
}
