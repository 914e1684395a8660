// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// tagPrefix begins all tags of our own.
const tagPrefix = "alibabacloud.com/"

// Tags that snapshots and disks carry.
const (
	tagCluster       = tagPrefix + "cluster-id"
	tagBackupUID     = tagPrefix + "backup-uid"
	tagClaim         = tagPrefix + "pvc"
	tagStorageClass  = tagPrefix + "storage-class"
	tagVolumeMode    = tagPrefix + "volume-mode"
	tagVolumeForm    = tagPrefix + "volume-form"
	tagDisk          = tagPrefix + "disk"
	tagZone          = tagPrefix + "zone"
	tagKMSKey        = tagPrefix + "kms-key"
	tagResourceGroup = tagPrefix + "resource-group"
	tagGroup         = tagPrefix + "consistency-group"
	// tagCopyOf is on the copy of a snapshot: the original.
	tagCopyOf = tagPrefix + "copy-of"
	// tagCopiedTo is on a snapshot that has copies: their regions, separated by spaces.
	tagCopiedTo = tagPrefix + "copied-to"
	// tagSnapshot, tagRestore and tagRestoreUID are on a restored disk.
	tagSnapshot   = tagPrefix + "snapshot"
	tagRestore    = tagPrefix + "restore"
	tagRestoreUID = tagPrefix + "restore-uid"
	// tagVelero is the namespace of the Velero that made a disk. A cluster may have several.
	tagVelero = tagPrefix + "velero-namespace"
	// diskTagPrefix begins the keys under which a snapshot keeps the tags of its disk.
	diskTagPrefix = "disk/"

	// veleroTagPrefix begins Velero's own. tagBackup and tagVolume are those of every snapshot, the others labels of the
	// backup (pkg/backup/item_backupper.go, takePVSnapshot).
	veleroTagPrefix = "velero.io/"
	tagBackup       = veleroTagPrefix + "backup"
	tagVolume       = veleroTagPrefix + "pv"
	// tagOfficialZone is the official plugin's, spelt as it spells it.
	tagOfficialZone = "alibabacloud.velero-plugin/orginal-volume-az" //nolint:misspell // It is theirs.
)

// Limits of tags (TagResources).
const (
	maxTags      = 20
	maxTagLength = 128
	// laterTags are kept free on a snapshot for those that it, or its copy, gets besides:
	// tagCopiedTo, or tagCopyOf and tagRestoreUID.
	laterTags = 2
	// maxConfiguredTags leaves room for all of ours.
	maxConfiguredTags = 5
)

// record is what a snapshot's tags tell of what was backed up.
type record struct {
	clusterID string
	backupUID string
	backup    string
	// volume is the name of the PersistentVolume. Its tag is shortened rather than left
	// out: it marks the members of a group that the backup asked for.
	volume string
	claim  diskspec.Claim
	// flexVolume says that the PersistentVolume is one of the FlexVolume driver.
	flexVolume bool
	disk       diskspec.Spec
	diskTags   map[string]string
	// group is the consistency group, "" for a snapshot of its own.
	group string
}

// tags returns the record as tags, then as many of the extra ones as ECS allows,
// those of the first map first. left are the keys of those that found no place.
func (r record) tags(extra ...map[string]string) (tags map[string]string, left []string) {
	tags = map[string]string{}
	for key, value := range map[string]string{
		tagBackup: r.backup, tagVolume: volumeTag(r.volume), tagCluster: r.clusterID, tagBackupUID: r.backupUID, tagGroup: r.group,
		tagVolumeMode: modeText(r.claim), tagVolumeForm: formText(r), tagDisk: diskText(r.disk), tagZone: r.disk.Zone, tagKMSKey: r.disk.KMSKeyID,
		tagResourceGroup: r.disk.ResourceGroupID,
	} {
		if value != "" && len(value) <= maxTagLength {
			tags[key] = value
		}
	}
	writeWhole(tags, tagClaim, claimText(r.claim))
	writeWhole(tags, tagStorageClass, r.claim.StorageClass)
	ofDisk := map[string]string{}
	for key, value := range r.diskTags {
		if validTag(key, value) { // Neither ours of an earlier restore nor the cloud's own, which nobody can set.
			ofDisk[diskTagPrefix+key] = value
		}
	}
	return tags, fillTags(tags, maxTags-laterTags, append([]map[string]string{ofDisk}, extra...)...)
}

// volumeTag is the value of tagVolume for the PersistentVolume of that name.
func volumeTag(pv string) string { return pv[:min(len(pv), maxTagLength)] }

// writeWhole adds a tag whose value may be longer than ECS takes: what is too much goes on in
// further tags. The rules of a restore are about the names of a claim and its class, and a
// disk would be made by others than its PersistentVolume if one of them were not told.
func writeWhole(tags map[string]string, key, value string) {
	for part := 1; value != ""; part++ {
		length := min(len(value), maxTagLength)
		tags[partKey(key, part)], value = value[:length], value[length:]
	}
}

// readWhole returns the value that writeWhole wrote.
func readWhole(tags map[string]string, key string) string {
	var value strings.Builder
	for part := 1; tags[partKey(key, part)] != ""; part++ {
		value.WriteString(tags[partKey(key, part)])
	}
	return value.String()
}

// partKey is the key of a part of a tag's value, such as alibabacloud.com/pvc-2. The first has the tag's own.
func partKey(key string, part int) string {
	if part == 1 {
		return key
	}
	return key + "-" + strconv.Itoa(part)
}

// fillTags adds tags to those that there are while there are less than most of them,
// those of the first map first. It returns the keys of those that found no place, or
// that ECS does not take.
func fillTags(tags map[string]string, most int, more ...map[string]string) (left []string) {
	for _, wanted := range more {
		for _, key := range slices.Sorted(maps.Keys(wanted)) {
			if _, taken := tags[key]; taken {
				continue
			}
			if len(tags) >= most || !takenByECS(key, wanted[key]) {
				left = append(left, key)
				continue
			}
			tags[key] = wanted[key]
		}
	}
	return left
}

// readRecord returns what a snapshot tells of what was backed up. Where its tags do
// not tell, because the snapshot is another's, the snapshot itself and the order do.
func readRecord(s snapshot, o order) record {
	r := record{
		clusterID:  s.tags[tagCluster],
		backupUID:  s.tags[tagBackupUID],
		backup:     s.tags[tagBackup],
		volume:     s.tags[tagVolume],
		claim:      parseClaim(readWhole(s.tags, tagClaim)),
		flexVolume: s.tags[tagVolumeForm] == formFlexVolume,
		disk:       parseDisk(s.tags[tagDisk]),
		diskTags:   readDiskTags(s.tags),
		group:      s.tags[tagGroup],
	}
	r.claim.StorageClass, r.claim.Block = readWhole(s.tags, tagStorageClass), s.tags[tagVolumeMode] == modeBlock
	r.disk.ResourceGroupID = s.tags[tagResourceGroup]
	r.disk.Encrypted = s.encrypted
	r.disk.KMSKeyID = firstOf(s.kmsKeyID, s.tags[tagKMSKey])
	r.disk.SizeGiB = max(r.disk.SizeGiB, s.sizeGiB)
	r.disk.Zone = firstOf(s.tags[tagZone], s.tags[tagOfficialZone], o.zone)
	if r.disk.Type.Category == "" {
		r.disk.Type = o.kind
		if o.kind == (volume.DiskType{Category: diskspec.ESSD}) {
			r.disk.Type.PerformanceLevel = diskspec.LevelWith(o.iops, r.disk.SizeGiB)
		}
	}
	return r
}

// readDiskTags returns the tags of the disk that a snapshot keeps. The official plugin
// keeps them under their own keys, beside those of Velero and of itself.
func readDiskTags(tags map[string]string) map[string]string {
	isOfficial := tags[tagBackup] != "" && tags[tagDisk] == ""
	found := map[string]string{}
	for key, value := range tags {
		own, isDisks := strings.CutPrefix(key, diskTagPrefix)
		if isOfficial {
			own, isDisks = key, key != tagOfficialZone && !strings.HasPrefix(key, veleroTagPrefix)
		}
		if isDisks && validTag(own, value) {
			found[own] = value
		}
	}
	return found
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func claimText(c diskspec.Claim) string {
	if c.Name == "" {
		return ""
	}
	return c.Namespace + "/" + c.Name
}

func parseClaim(text string) diskspec.Claim {
	namespace, name, _ := strings.Cut(text, "/")
	return diskspec.Claim{Namespace: namespace, Name: name}
}

// modeBlock is the volumeMode that is no volume's by default.
const modeBlock = string(corev1.PersistentVolumeBlock)

func modeText(c diskspec.Claim) string {
	if !c.Block {
		return ""
	}
	return modeBlock
}

// formFlexVolume is the form that is no volume's by default.
const formFlexVolume = string(volume.FormFlexVolume)

func formText(r record) string {
	if !r.flexVolume {
		return ""
	}
	return formFlexVolume
}

// mayBeFlexVolume tells whether the PersistentVolume is one of the FlexVolume driver, or
// nothing tells what it is.
func (r record) mayBeFlexVolume() bool { return r.flexVolume || r.claim == diskspec.Claim{} }

// diskText writes what has no tag of its own, such as "cloud_auto 40GiB iops=1000 bursting".
func diskText(d diskspec.Spec) string {
	if d.Type.Category == "" {
		return ""
	}
	words := []string{d.Type.String(), strconv.FormatInt(d.SizeGiB, 10) + "GiB"}
	if d.ProvisionedIOPS > 0 {
		words = append(words, "iops="+strconv.FormatInt(d.ProvisionedIOPS, 10))
	}
	if d.Bursting {
		words = append(words, "bursting")
	}
	if d.MultiAttach {
		words = append(words, "multi-attach")
	}
	return strings.Join(words, " ")
}

// parseDisk reads what diskText wrote. Words that it does not know are a later
// version's, and left out.
func parseDisk(text string) diskspec.Spec {
	var d diskspec.Spec
	for i, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		size, isSize := strings.CutSuffix(word, "GiB")
		switch {
		case i == 0:
			d.Type = volume.ParseDiskType(word)
		case isSize:
			d.SizeGiB, _ = strconv.ParseInt(size, 10, 64)
		case name == "iops":
			d.ProvisionedIOPS, _ = strconv.ParseInt(value, 10, 64)
		case word == "bursting":
			d.Bursting = true
		case word == "multi-attach":
			d.MultiAttach = true
		}
	}
	return d
}

// nameOf makes a name that ECS takes (CreateSnapshot: 2 to 128 characters, begins
// with a letter, not with auto or http; letters, digits, colon, underscore, period, hyphen).
func nameOf(parts ...string) string {
	const maxName = 128
	name := regexp.MustCompile(`[^A-Za-z0-9:_.-]`).ReplaceAllString(strings.Join(append([]string{"velero"}, parts...), "-"), "-")
	return name[:min(len(name), maxName)]
}
