"""A typical Python service: FastAPI, SQLAlchemy on SQLite, bcrypt, JSON web tokens.

In `make bench-peers`, it represents what Quire is used instead of, with the packages that such a service imports."""

import importlib
import os

import bcrypt
from fastapi import Depends, FastAPI, HTTPException, Request
from jose import jwt
from pydantic import BaseModel
from sqlalchemy import Column, Integer, String, create_engine, select
from sqlalchemy.orm import Session, declarative_base
from sse_starlette.sse import EventSourceResponse

for other in ["httpx", "aiohttp", "passlib", "multipart", "slowapi", "email_validator", "dotenv", "psutil",
              "prometheus_client", "redis", "psycopg2", "celery", "sentry_sdk"]:
    importlib.import_module(other)

SECRET = "0123456789abcdef0123456789abcdef"
Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    email = Column(String, unique=True)
    password = Column(String)


engine = create_engine(f"sqlite:///{os.environ['BENCH_DATA']}/service.db")
Base.metadata.create_all(engine)
app = FastAPI()


class Account(BaseModel):
    email: str
    password: str


def signed_in(request: Request) -> User:
    try:
        token = request.headers["authorization"].removeprefix("Bearer ")
        number = int(jwt.decode(token, SECRET, algorithms=["HS256"])["sub"])
    except Exception as fault:
        raise HTTPException(401) from fault
    with Session(engine) as session:
        return session.get(User, number)


@app.get("/api/health")
def health():
    with Session(engine) as session:
        session.execute(select(1))
    return {"status": "ok"}


@app.post("/api/auth/register")
def register(account: Account):
    with Session(engine) as session:
        hashed = bcrypt.hashpw(account.password.encode(), bcrypt.gensalt())
        session.add(User(email=account.email, password=hashed.decode()))
        session.commit()
    return {}


@app.post("/api/auth/login")
def login(account: Account):
    with Session(engine) as session:
        user = session.scalar(select(User).where(User.email == account.email))
        if not user or not bcrypt.checkpw(account.password.encode(), user.password.encode()):
            raise HTTPException(401)
        return {"access_token": jwt.encode({"sub": str(user.id)}, SECRET, algorithm="HS256")}


@app.get("/api/users/me")
def me(user: User = Depends(signed_in)):
    return {"id": user.id, "email": user.email}


@app.get("/api/events")
async def events():
    async def never():
        import asyncio
        yield {"data": "hello"}
        await asyncio.sleep(3600)
    return EventSourceResponse(never())
