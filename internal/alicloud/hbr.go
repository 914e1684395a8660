// SPDX-License-Identifier: Apache-2.0

package alicloud

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	hbr "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
)

// HBRConfig is what a location says about its Cloud Backup.
type HBRConfig = ServiceConfig

// HBR is the Cloud Backup of one account in one region. It is safe for concurrent use.
type HBR struct{ *service[hbr.Client] }

// HBR returns the client for cfg, the same one for an equal cfg. It contacts
// nothing but the instance metadata service, and that only where the region or the
// network is not given.
func (c *Cloud) HBR(ctx context.Context, cfg HBRConfig) (*HBR, error) {
	return c.hbr.Get(cfg, func() (*HBR, error) {
		located, err := newService(ctx, c, endpoint.HBR, hbr.NewClient, cfg)
		if err != nil {
			return nil, err
		}
		return &HBR{located}, nil
	})
}

// hbrCall is a method of the SDK's client.
type hbrCall[Request, Answer any] func(*hbr.Client, *Request, *dara.RuntimeOptions) (*Answer, error)

// judged makes an error of an answer that tells of a failure with the HTTP status of a
// success, of which the SDK knows nothing. It is as the SDK makes it of any other failure.
func judged[Request, Answer any](do hbrCall[Request, Answer]) hbrCall[Request, Answer] {
	return func(client *hbr.Client, request *Request, runtime *dara.RuntimeOptions) (*Answer, error) {
		answer, err := do(client, request, runtime)
		if err != nil {
			return nil, err
		}
		var said struct {
			Body hbrVerdict `json:"body"`
		}
		if err := tea.Convert(answer, &said); err != nil {
			return nil, err
		}
		if err := said.Body.refusal(); err != nil {
			return nil, err
		}
		return answer, nil
	}
}

// hbrVerdict is what every answer of HBR has.
type hbrVerdict struct {
	Success *bool `json:"Success"`
	// Code is 200 for a success, as a string or a number; else it names the failure.
	Code      string `json:"Code"`
	Message   string `json:"Message"`
	RequestID string `json:"RequestId"`
}

// refusal returns the failure that the verdict tells of, nil for a success.
func (v hbrVerdict) refusal() error {
	switch {
	case tea.BoolValue(v.Success), v.Success == nil && v.Code == "200":
		return nil
	case v.Success == nil && v.Code == "":
		// Not the service answered but a proxy or a load balancer before it.
		return fmt.Errorf("an answer without Success: %w", io.ErrUnexpectedEOF)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return &tea.SDKError{StatusCode: new(http.StatusOK), Code: &v.Code, Message: &v.Message, Data: new(string(data))}
}
