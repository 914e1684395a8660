// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOverlaps(t *testing.T) {
	t.Parallel()
	local := func(path string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}
	}
	hostPath := func(path string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}
	}
	for name, test := range map[string]struct {
		a, b corev1.PersistentVolumeSource
		want bool
	}{
		"the same directory":                      {a: local("/data/app"), b: local("/data/app"), want: true},
		"the same directory, written otherwise":   {a: local("/data/app/"), b: hostPath("/data//app"), want: true},
		"a directory and one below it":            {a: local("/data/app"), b: local("/data/app/db"), want: true},
		"a directory and one above it":            {a: local("/data/app/db"), b: local("/data/app"), want: true},
		"directories with the same beginning":     {a: local("/data/app"), b: local("/data/apple")},
		"volumes of drivers that show no storage": {a: csi("x.example.com", nil), b: local("/data")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := volumeWith(test.a), volumeWith(test.b)
			if got := Overlaps(a, b); got != test.want {
				t.Errorf("they overlap: %t, want %t", got, test.want)
			}
		})
	}
}

func TestSetHandle(t *testing.T) {
	t.Parallel()
	handled := func(driver, handle string) corev1.PersistentVolumeSource {
		source := csi(driver, nil)
		source.CSI.VolumeHandle = handle
		return source
	}
	for name, test := range map[string]struct {
		source, want corev1.PersistentVolumeSource
		named        string
	}{
		"a name":                       {source: handled(DriverNAS, "nas-1"), want: handled(DriverNAS, "new"), named: "nas-1"},
		"a name of OSS":                {source: handled(DriverOSS, "oss-1"), want: handled(DriverOSS, "new"), named: "oss-1"},
		"a name behind an id":          {source: handled(DriverBMCPFS, "cpfs-1+old"), want: handled(DriverBMCPFS, "cpfs-1+new"), named: "old"},
		"an id that a name may follow": {source: handled(DriverBMCPFS, "cpfs-1"), want: handled(DriverBMCPFS, "cpfs-1+new")},
		"an id":                        {source: handled(DriverDisk, "d-1"), want: handled(DriverDisk, "d-1")},
		"no handle":                    {source: flexVolume(FlexDriverNAS, nil), want: flexVolume(FlexDriverNAS, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkSet(t, test.source, test.want, func(pv *corev1.PersistentVolume) *corev1.PersistentVolume { return SetHandle(pv, "new") })
			if got := HandleName(volumeWith(test.source)); got != test.named {
				t.Errorf("the name in the handle is %q, want %q", got, test.named)
			}
		})
	}
}
