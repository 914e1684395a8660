// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"fmt"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

// NASConfig is what a location says about its NAS.
type NASConfig = ServiceConfig

// NAS is the NAS of one account in one region. It is safe for concurrent use.
type NAS struct{ *service[openapi.Client] }

// NAS returns the client for cfg, the same one for an equal cfg. It contacts
// nothing but the instance metadata service, and that only where the region or the
// network is not given.
func (c *Cloud) NAS(ctx context.Context, cfg NASConfig) (*NAS, error) {
	return c.nas.Get(cfg, func() (*NAS, error) {
		located, err := newService(ctx, c, endpoint.NAS, openapi.NewClient, cfg)
		if err != nil {
			return nil, err
		}
		return &NAS{located}, nil
	})
}

// Created returns when the file system was made. HBR knows a file system by its id and
// this time, in seconds since 1970.
func (f NASFileSystem) Created() (time.Time, error) {
	// NAS also writes the time of China, with an abbreviation that package time takes for UTC.
	const timeOfChina = "2006-01-02T15:04:05CST"
	if created, err := time.ParseInLocation(timeOfChina, f.CreateTime, time.FixedZone("CST", 8*60*60)); err == nil {
		return created, nil
	}
	created, err := time.Parse(time.RFC3339, f.CreateTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when the file system %s was created: %w", f.FileSystemID, err)
	}
	return created, nil
}
