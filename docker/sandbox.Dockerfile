# The stand-ins for Salesforce, HubSpot and Stripe.
FROM python:3.12-slim

WORKDIR /srv
COPY requirements-sandbox.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements-sandbox.txt -c constraints.txt \
    && useradd --system --home /srv sandbox \
    && mkdir /state && chown sandbox /state
COPY sandbox ./sandbox
USER sandbox
EXPOSE 8081
CMD ["python", "-m", "sandbox", "--host", "0.0.0.0", "--port", "8081", "--state", "/state/sandbox.sqlite"]
